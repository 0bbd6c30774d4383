//! The window table: one record for every 2 MiB of the alias region.
//!
//! A record is written once, when its window opens, and then changes only in the ways that its
//! fields name, until the window is reclaimed. A record that was not written since is zero.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, Ordering};

use super::chunk::Chunk;
use super::extent::Extent;
use super::handle::{Handle, Link, Record};
use super::ledger::Ledger;
use super::lock::{Guard, SpinLock};
use super::machine::Machine;
use crate::address::{GuestVirtual, LARGE_PAGE_SIZE};

/// Bytes of a record.
pub const RECORD_SIZE: u64 = 256;

/// What a window is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Not opened, or not yet.
    Nothing,
    /// One column of a chunk.
    Column,
    /// Part of an extent.
    Extent,
}

/// The record of one window. `live`, `served` and `revoked` have a bit for each position.
#[repr(C, align(64))]
pub struct Window {
    /// A [`Use`]; stored last when the window opens.
    used_as: AtomicU8,
    /// Number of the size class.
    pub class: AtomicU8,
    /// The column that the window shows.
    pub column: AtomicU8,
    /// The window is in the revocation queue.
    pub queued: AtomicBool,
    /// Held while the window's page-table entries are edited.
    edits: SpinLock<()>,
    /// The window's directory entry has been cleared; written under `edits`.
    pub closed: AtomicBool,
    /// The closed window has been counted out of its chunk; used under `edits`, where windows wait.
    pub counted: AtomicBool,
    /// Objects served and not freed.
    pub unfreed: AtomicU32,
    /// The chunk's generation that the window belongs to.
    pub generation: AtomicU32,
    /// The next window of the queue, as number + 1.
    pub next: AtomicU32,
    /// The next window that waits for other processors, as number + 1.
    pub next_waiting: AtomicU32,
    /// The chunk whose column this is.
    pub chunk: Link<Chunk>,
    /// The extent that this is part of.
    pub extent: Link<Extent>,
    /// Who allocated and freed the objects, where that is recorded.
    pub ledger: Link<Ledger>,
    /// The page table that the window was split into, or 0; written under `edits`.
    pub table: AtomicU64,
    /// Served and not freed. Set for all when the window opens, before they are handed out.
    pub live: [AtomicU64; 8],
    /// Objects that have this window's addresses; those that were never handed out are taken out
    /// again, under `edits`, when the front lets go of the column.
    pub served: [AtomicU64; 8],
    /// Freed, unreachable, and back in the chunk's free set.
    pub revoked: [AtomicU64; 8],
    /// The epoch in which the last edit is flushed, 0 if the window does not wait; written under
    /// `edits`.
    pub epoch: AtomicU64,
}

const _: () = assert!(core::mem::size_of::<Window>() == RECORD_SIZE as usize);

// SAFETY: all fields are atomics, links (atomic numbers) and a zero-sized lock with an atomic flag.
unsafe impl Record for Window {}

impl Window {
    /// What the window is used for; all other fields are valid when it is not `Nothing`.
    #[must_use]
    pub fn used_as(&self) -> Use {
        match self.used_as.load(Ordering::Acquire) {
            1 => Use::Column,
            2 => Use::Extent,
            _ => Use::Nothing,
        }
    }

    /// Publishes the record.
    pub fn publish(&self, used_as: Use) {
        let number = match used_as {
            Use::Nothing => 0,
            Use::Column => 1,
            Use::Extent => 2,
        };
        self.used_as.store(number, Ordering::Release);
    }

    /// Takes the right to edit the window's page-table entries.
    pub fn edit(&self) -> Guard<'_, ()> {
        self.edits.lock()
    }

    /// Objects that were freed and are not yet back in the chunk's free set.
    #[must_use]
    pub fn pending(&self) -> [u64; 8] {
        core::array::from_fn(|at| {
            let freed =
                self.served[at].load(Ordering::Relaxed) & !self.live[at].load(Ordering::Acquire);
            freed & !self.revoked[at].load(Ordering::Acquire)
        })
    }
}

/// Word and mask of a position, which is below 512.
#[must_use]
pub const fn bit_of(position: u32) -> (usize, u64) {
    ((position / 64 % 8) as usize, 1 << (position % 64))
}

/// Whether the bit of `position` is set.
#[must_use]
pub fn is_set(bits: &[AtomicU64; 8], position: u32) -> bool {
    let (word, mask) = bit_of(position);
    bits[word].load(Ordering::Acquire) & mask != 0
}

/// The alias region cut into windows, and the count of those in use.
pub struct Windows {
    start: GuestVirtual,
    /// Windows in the region.
    count: u64,
    /// First window never used.
    next: AtomicU64,
}

impl Windows {
    /// The windows of `[start, end)`, whose bounds are multiples of 2 MiB.
    #[must_use]
    pub fn new(start: GuestVirtual, end: GuestVirtual) -> Self {
        let count = end.0.saturating_sub(start.0) / LARGE_PAGE_SIZE;
        // A window number + 1 fits 32 bits.
        Self {
            start,
            count: count.min(u64::from(u32::MAX)),
            next: AtomicU64::new(0),
        }
    }

    /// Takes `count` windows in a row for good, the first at a multiple of `align` bytes.
    pub fn reserve(&self, count: u64, align: u64) -> Option<u64> {
        let mut next = self.next.load(Ordering::Relaxed);
        loop {
            let address = self.address(next);
            let first = next
                + (address.align_up(align.max(LARGE_PAGE_SIZE)).0 - address.0) / LARGE_PAGE_SIZE;
            let end = first.checked_add(count).filter(|&end| end <= self.count)?;
            match self
                .next
                .compare_exchange_weak(next, end, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return Some(first),
                Err(now) => next = now,
            }
        }
    }

    /// Windows of the region.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Windows below this number were used.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Gives back windows that were reserved and never used, if none were reserved since.
    pub fn unreserve(&self, first: u64, count: u64) {
        // Where another thread was faster the addresses are lost, which does no harm.
        let _ =
            self.next
                .compare_exchange(first + count, first, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Where window `number` lies.
    #[must_use]
    pub const fn address(&self, number: u64) -> GuestVirtual {
        self.start.add(number * LARGE_PAGE_SIZE)
    }

    /// The window that holds `at`, if that was ever used.
    #[must_use]
    pub fn number_of(&self, at: GuestVirtual) -> Option<u64> {
        let number = at.0.checked_sub(self.start.0)? / LARGE_PAGE_SIZE;
        (number < self.next.load(Ordering::Acquire)).then_some(number)
    }

    /// The record of a window that was reserved.
    #[must_use]
    pub fn record(&self, machine: &impl Machine, number: u64) -> Option<Handle<Window>> {
        let number = (number < self.count).then_some(number)?;
        let base = NonNull::new(machine.window_records())?;
        // SAFETY: the window table has a record for every window of the region, 64-byte aligned,
        // for as long as the machine exists, and only handles write to it.
        Some(unsafe { Handle::new(base.add((number * RECORD_SIZE) as usize).cast()) })
    }
}
