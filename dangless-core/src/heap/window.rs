//! The window table: one record for every 2 MiB of the alias region.
//!
//! A record is written once, when its window opens, and then changes only in the ways that its
//! fields name, until the window is reclaimed. A record that was not written since is zero, but for
//! the links of `reclaim`.
//!
//! Windows come in *groups* of neighbours, of which a *top* says how many, from the first on, may have
//! been opened: of many few are, and memory of the table that is read is memory that is used.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, AtomicU8, Ordering};

use super::chunk::Chunk;
use super::extent::Extent;
use super::handle::{Handle, Link, Record};
use super::ledger::Ledger;
use super::lock::{Guard, SpinLock};
use super::machine::Machine;
use super::paged::PageRecord;
use crate::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};

/// Bytes of a record.
pub const RECORD_SIZE: u64 = 256;

/// In [`Window::offset`]: to free an object takes more than [`Space::free_quickly`] does.
///
/// [`Space::free_quickly`]: super::Space::free_quickly
pub const NOT_QUICK: u32 = 1 << 31;

/// What a window is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Not opened, or not yet.
    Nothing,
    /// One column of a chunk.
    Column,
    /// Part of an extent.
    Extent,
    /// Pages with an entry each.
    Pages,
}

/// The record of one window. `live`, `served` and `revoked` have a bit for each position. All that
/// a `free` needs but the live bits lies in the first 64 bytes.
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
    /// Objects served and not freed, less `margin`: modulo 2^16 where several threads free.
    unfreed: AtomicU16,
    /// Objects that may be freed without a look at anything but their bits; changed only while one
    /// thread uses the heap.
    pub margin: AtomicU16,
    /// When no more than so many objects are unfreed, the next edit of the window is due.
    pub trigger: AtomicU16,
    /// Where on a page the column's objects start, and [`NOT_QUICK`] or not.
    pub offset: AtomicU32,
    /// The next window of the queue, as number + 1.
    pub next: AtomicU32,
    /// The next window that waits for other processors, as number + 1.
    pub next_waiting: AtomicU32,
    /// Frame number of the page table that the window was split into, or 0; written under `edits`.
    table: AtomicU32,
    /// The window's session in the upper half, in the lower [`Class::order`] of its first object: with
    /// the position added, what [`Chunk::cursor`] is compared with.
    ///
    /// [`Class::order`]: super::class::Class::order
    pub key: AtomicU64,
    /// The chunk whose column this is, the extent that it is part of, or the records of its pages.
    owner: AtomicU64,
    /// Who allocated and freed the objects, where that is recorded.
    pub ledger: Link<Ledger>,
    /// The epoch in which the last edit is flushed, 0 if the window does not wait; written under
    /// `edits`.
    pub epoch: AtomicU64,
    /// Served and not freed. Set for all when the window opens, before they are handed out.
    pub live: [AtomicU64; 8],
    /// Objects that have this window's addresses; those that were never handed out are taken out
    /// again, under `edits`, when the front lets go of the column.
    pub served: [AtomicU64; 8],
    /// Freed, unreachable, and back in the chunk's free set.
    pub revoked: [AtomicU64; 8],
}

const _: () = assert!(core::mem::size_of::<Window>() == RECORD_SIZE as usize);

// SAFETY: all fields are atomics, links (atomic numbers) and a zero-sized lock with an atomic flag.
unsafe impl Record for Window {}

impl Window {
    /// Where in the record it is said what the window is used for.
    pub const USED_AS: usize = core::mem::offset_of!(Self, used_as);
    /// What is said there of a column of a chunk.
    pub const COLUMN: u8 = 1;
    /// Where in the record the owner is.
    pub const OWNER: usize = core::mem::offset_of!(Self, owner);

    /// What the window is used for; all other fields are valid when it is not `Nothing`.
    #[must_use]
    #[inline]
    pub fn used_as(&self) -> Use {
        match self.used_as.load(Ordering::Acquire) {
            Self::COLUMN => Use::Column,
            2 => Use::Extent,
            3 => Use::Pages,
            _ => Use::Nothing,
        }
    }

    /// The chunk whose column this is.
    #[must_use]
    #[inline]
    pub fn chunk(&self) -> Option<Handle<Chunk>> {
        let address =
            (self.used_as() == Use::Column).then(|| self.owner.load(Ordering::Acquire))?;
        // SAFETY: a column's owner is a chunk, from a handle, stored before the use was.
        Some(unsafe { Handle::new(NonNull::new(address as *mut Chunk)?) })
    }

    /// The extent that this is part of.
    #[must_use]
    pub fn extent(&self) -> Option<Handle<Extent>> {
        let address =
            (self.used_as() == Use::Extent).then(|| self.owner.load(Ordering::Acquire))?;
        // SAFETY: an extent window's owner is an extent, from a handle, stored before the use was.
        Some(unsafe { Handle::new(NonNull::new(address as *mut Extent)?) })
    }

    /// Makes this a window of a chunk's column and publishes the record.
    pub fn publish_column(&self, chunk: Handle<Chunk>) {
        self.owner.store(chunk.address(), Ordering::Release);
        self.used_as.store(Self::COLUMN, Ordering::Release);
    }

    /// Makes this a window of an extent and publishes the record.
    pub fn publish_extent(&self, extent: Handle<Extent>) {
        self.owner.store(extent.address(), Ordering::Release);
        self.used_as.store(2, Ordering::Release);
    }

    /// Makes this a window of single pages, with these records, and publishes it.
    pub fn publish_paged(&self, records: Handle<PageRecord>) {
        self.owner.store(records.address(), Ordering::Release);
        self.used_as.store(3, Ordering::Release);
    }

    /// The record of the first of the window's pages, while the records are kept.
    #[must_use]
    pub fn page_records(&self) -> Option<Handle<PageRecord>> {
        let address = (self.used_as() == Use::Pages).then(|| self.owner.load(Ordering::Acquire))?;
        // SAFETY: of such a window the owner is its records, from a handle, or nothing.
        Some(unsafe { Handle::new(NonNull::new(address as *mut PageRecord)?) })
    }

    /// Takes the records of its pages from the window.
    pub fn take_page_records(&self) -> Option<Handle<PageRecord>> {
        let records = self.page_records();
        self.owner.store(0, Ordering::Release);
        records
    }

    /// Makes this nothing, before its record is cleared.
    pub fn retract(&self) {
        self.used_as.store(0, Ordering::Release);
    }

    /// The page table that the window was split into.
    #[must_use]
    pub fn table(&self) -> Option<GuestPhysical> {
        let frame = self.table.load(Ordering::Relaxed);
        (frame != 0).then(|| GuestPhysical(u64::from(frame) * PAGE_SIZE))
    }

    /// Notes the page table that the window was split into. Frame numbers fit: the direct map has
    /// 8 TiB.
    pub fn set_table(&self, table: Option<GuestPhysical>) {
        let frame = table.map_or(0, |table| (table.0 / PAGE_SIZE) as u32);
        self.table.store(frame, Ordering::Relaxed);
    }

    /// Takes the right to edit the window's page-table entries.
    pub fn edit(&self) -> Guard<'_, ()> {
        self.edits.lock()
    }

    /// Objects served and not freed.
    #[must_use]
    #[inline]
    pub fn live_count(&self) -> u32 {
        let margin = self.margin.load(Ordering::Relaxed);
        self.unfreed
            .load(Ordering::Acquire)
            .wrapping_add(margin)
            .into()
    }

    /// Sets how many objects are served, when the window opens.
    pub fn set_live_count(&self, count: u32) {
        self.unfreed.store(count as u16, Ordering::Relaxed);
    }

    /// Counts objects out; answers how many are left.
    #[inline]
    pub fn count_out(&self, count: u32) -> u32 {
        let before = self.unfreed.fetch_sub(count as u16, Ordering::AcqRel);
        let margin = self.margin.load(Ordering::Relaxed);
        before
            .wrapping_sub(count as u16)
            .wrapping_add(margin)
            .into()
    }

    /// As `count_out`, for one object, where one thread uses the heap.
    #[inline]
    pub fn count_out_alone(&self) -> u32 {
        let left = self.unfreed.load(Ordering::Relaxed).wrapping_sub(1);
        self.unfreed.store(left, Ordering::Relaxed);
        left.wrapping_add(self.margin.load(Ordering::Relaxed))
            .into()
    }

    /// Ends the margin, where one thread uses the heap; answers what is left of it.
    #[inline]
    pub fn take_margin(&self) -> u16 {
        let margin = self.margin.load(Ordering::Relaxed);
        if margin != 0 {
            let unfreed = self.unfreed.load(Ordering::Relaxed).wrapping_add(margin);
            self.unfreed.store(unfreed, Ordering::Relaxed);
            self.margin.store(0, Ordering::Relaxed);
        }
        margin
    }

    /// Begins a margin, where one thread uses the heap and there is none.
    #[inline]
    pub fn give_margin(&self, margin: u16) {
        let unfreed = self.unfreed.load(Ordering::Relaxed).wrapping_sub(margin);
        self.unfreed.store(unfreed, Ordering::Relaxed);
        self.margin.store(margin, Ordering::Relaxed);
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

/// Windows of a group.
pub const GROUP: u64 = 512;

/// The alias region cut into windows, and the count of those in use.
pub struct Windows {
    start: GuestVirtual,
    /// Windows in the region.
    count: u64,
    /// First window never used.
    next: AtomicU64,
    /// The tops of the groups.
    tops: Link<AtomicU16>,
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
            tops: Link::empty(),
        }
    }

    /// Bytes that the tops take.
    #[must_use]
    pub const fn tops_size(&self) -> u64 {
        self.count.div_ceil(GROUP) * 2
    }

    /// Has the tops kept here, in a zeroed array of [`Self::tops_size`].
    pub fn keep_tops(&self, at: Handle<AtomicU16>) {
        self.tops.set(Some(at));
    }

    fn top(&self, group: u64) -> Option<Handle<AtomicU16>> {
        let tops = self.tops.get()?;
        // SAFETY: there is a top for each group of the region.
        (group < self.count.div_ceil(GROUP)).then(|| unsafe { tops.element(group as usize) })
    }

    /// Notes that windows are about to be opened.
    pub fn note_opened(&self, first: u64, count: u64) {
        let mut at = first;
        while at < first + count {
            let group = at / GROUP;
            let end = ((group + 1) * GROUP).min(first + count);
            if let Some(top) = self.top(group) {
                top.fetch_max((end - group * GROUP) as u16, Ordering::AcqRel);
            }
            at = end;
        }
    }

    /// How many windows of the group that holds window `number`, from its first on, may have been
    /// opened since it was last cleared.
    #[must_use]
    pub fn opened_in_group(&self, number: u64) -> u64 {
        let top = self.top(number / GROUP);
        top.map_or(GROUP, |top| top.load(Ordering::Acquire).into())
    }

    /// Notes that all records of the group that starts with window `first` have been cleared.
    pub fn note_cleared(&self, first: u64) {
        if let Some(top) = self.top(first / GROUP) {
            top.store(0, Ordering::Release);
        }
    }

    /// The record of a window that may have been opened; `None` if it has not.
    #[must_use]
    pub fn opened(&self, machine: &impl Machine, number: u64) -> Option<Handle<Window>> {
        (number % GROUP < self.opened_in_group(number))
            .then(|| self.record(machine, number))
            .flatten()
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

    /// Bytes of the region.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.count * LARGE_PAGE_SIZE
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
    #[inline]
    pub fn number_of(&self, at: GuestVirtual) -> Option<u64> {
        let number = at.0.checked_sub(self.start.0)? / LARGE_PAGE_SIZE;
        (number < self.next.load(Ordering::Acquire)).then_some(number)
    }

    /// Number and record of the window that holds `at`, if that was ever used.
    #[must_use]
    #[inline]
    pub fn find(&self, machine: &impl Machine, at: GuestVirtual) -> Option<(u64, Handle<Window>)> {
        let number = self.number_of(at)?;
        let base = NonNull::new(machine.window_records())?;
        // SAFETY: as in `record`; windows that were used are windows of the region.
        let record = unsafe { base.add((number * RECORD_SIZE) as usize) };
        // SAFETY: as in `record`.
        Some((number, unsafe { Handle::new(record.cast()) }))
    }

    /// The record of a window that was reserved.
    #[must_use]
    #[inline]
    pub fn record(&self, machine: &impl Machine, number: u64) -> Option<Handle<Window>> {
        let number = (number < self.count).then_some(number)?;
        let base = NonNull::new(machine.window_records())?;
        // SAFETY: the window table has a record for every window of the region, 64-byte aligned,
        // for as long as the machine exists, and only handles write to it.
        Some(unsafe { Handle::new(base.add((number * RECORD_SIZE) as usize).cast()) })
    }
}
