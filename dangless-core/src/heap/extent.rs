//! Extents: objects of more than a mebibyte, on whole blocks of their own.
//!
//! An extent is mapped with large pages over as many windows as it has blocks; the record of each
//! window says which block it shows. An extent that is reallocated becomes a new one, with new
//! addresses over the same blocks, and nothing is copied. The record stays after the object is
//! gone, so that the addresses can be described.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::blocks::Run;
use super::depot::StackId;
use super::handle::{Handle, Link, Record};
use super::machine::Machine;
use super::space::Space;
use super::window::Window;
use super::{FreeError, OutOfMemory, ReallocateError};
use crate::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE};
use crate::paging::{Entry, Flags, TableMemory};

/// The record of one extent.
#[repr(C, align(64))]
pub struct Extent {
    /// 1 from the allocation to the free.
    pub live: AtomicU32,
    /// Stack of the allocation.
    pub allocated: AtomicU32,
    /// Stack of the free, when there was one.
    pub freed: AtomicU32,
    /// Address of the object.
    pub start: AtomicU64,
    /// Bytes that were asked for.
    pub size: AtomicU64,
    /// The epoch in which the end of its addresses is flushed.
    pub epoch: AtomicU64,
    /// The next extent that waits for other processors.
    pub next_waiting: Link<Extent>,
    blocks: AtomicU64,
}

// SAFETY: all fields are atomics or links.
unsafe impl Record for Extent {}

impl Extent {
    /// How many blocks, and windows, it has.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks.load(Ordering::Relaxed)
    }

    /// Bytes of its memory.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.blocks() * LARGE_PAGE_SIZE
    }
}

/// Address of the block that a window of an extent shows, 0 when it has gone elsewhere. The window
/// has no slots, so a word of theirs serves.
fn block(window: &Window) -> &AtomicU64 {
    &window.live[0]
}

/// Blocks and windows for a new extent.
struct Place {
    first: u64,
    /// Record of the extent.
    extent: Handle<Extent>,
    /// Blocks that were not in use before.
    run: Option<Run>,
}

impl<M: Machine> Space<M> {
    /// An object on blocks of its own; its memory reads zero if `zeroed`.
    pub(super) fn allocate_extent(
        &self,
        size: u64,
        align: u64,
        zeroed: bool,
        stack: StackId,
    ) -> Result<GuestVirtual, OutOfMemory> {
        let blocks = size.div_ceil(LARGE_PAGE_SIZE).max(1);
        let place = self.place_extent(blocks, blocks, align)?;
        if let Some(run) = place.run {
            if zeroed && !run.zero {
                self.machine.discard(run.start, blocks * LARGE_PAGE_SIZE);
            }
            for index in 0..blocks {
                self.show_block(&place, index, run.start.add(index * LARGE_PAGE_SIZE));
            }
        }
        Ok(self.publish_extent(&place, blocks, size, stack))
    }

    /// Windows for `blocks` blocks, with all their tables, and `new` blocks.
    fn place_extent(&self, blocks: u64, new: u64, align: u64) -> Result<Place, OutOfMemory> {
        const RECORD: u64 = core::mem::size_of::<Extent>() as u64;
        let extent = self.record::<Extent>(RECORD).ok_or(OutOfMemory)?;
        let Some(first) = self.reserve_windows(blocks, align) else {
            self.give_record(extent, RECORD);
            return Err(OutOfMemory);
        };
        let run = (new > 0).then(|| self.blocks.take(&self.machine, new));
        let has_tables = || {
            // One directory covers 512 windows.
            (first..first + blocks)
                .filter(|number| {
                    *number == first || self.windows.address(*number).is_aligned(1 << 30)
                })
                .all(|number| self.directory_entry(self.windows.address(number)).is_ok())
        };
        match run {
            Some(None) => {}
            run if has_tables() => {
                let run = run.flatten();
                return Ok(Place { first, extent, run });
            }
            Some(Some(run)) => self.blocks.give(&self.machine, run),
            None => {}
        }
        self.windows.unreserve(first, blocks);
        self.give_record(extent, RECORD);
        Err(OutOfMemory)
    }

    /// Makes window `index` of a place show a block.
    fn show_block(&self, place: &Place, index: u64, at: GuestPhysical) {
        let number = place.first + index;
        let address = self.windows.address(number);
        let window = self.windows.record(&self.machine, number);
        if let (Some(window), Ok(slot)) = (window, self.directory_entry(address)) {
            block(&window).store(at.0, Ordering::Relaxed);
            self.store(slot, Entry::large(at, Flags::DATA).bits());
        }
    }

    /// Makes a place an object.
    fn publish_extent(
        &self,
        place: &Place,
        blocks: u64,
        size: u64,
        stack: StackId,
    ) -> GuestVirtual {
        let Place { first, extent, .. } = *place;
        let start = self.windows.address(first);
        extent.allocated.store(stack, Ordering::Relaxed);
        extent.start.store(start.0, Ordering::Relaxed);
        extent.size.store(size, Ordering::Relaxed);
        extent.blocks.store(blocks, Ordering::Relaxed);
        extent.live.store(1, Ordering::Release);
        self.windows.note_opened(first, blocks);
        for number in first..first + blocks {
            if let Some(window) = self.windows.record(&self.machine, number) {
                window.publish_extent(extent);
            }
        }
        start
    }

    /// Gives the object new addresses and `size` bytes, more than a chunk has for one; its blocks go
    /// with it. After an error nothing has changed.
    pub(super) fn move_extent(
        &self,
        old: Handle<Extent>,
        size: u64,
        stack: StackId,
    ) -> Result<GuestVirtual, ReallocateError> {
        let blocks = size.div_ceil(LARGE_PAGE_SIZE).max(1);
        let kept = old.blocks().min(blocks);
        let place = self.place_extent(blocks, blocks - kept, LARGE_PAGE_SIZE)?;
        if old.live.swap(0, Ordering::AcqRel) == 0 {
            // Another thread freed it meanwhile. The new place loses its addresses, which nothing
            // showed.
            if let Some(run) = place.run {
                self.blocks.give(&self.machine, run);
            }
            return Err(FreeError::Double.into());
        }
        old.freed.store(stack, Ordering::Relaxed);
        let start = GuestVirtual(old.start.load(Ordering::Relaxed));
        for index in 0..kept {
            let from = self.windows.number_of(start.add(index * LARGE_PAGE_SIZE));
            let from = from.and_then(|number| self.windows.record(&self.machine, number));
            if let Some(window) = from {
                let at = block(&window).swap(0, Ordering::Relaxed);
                self.show_block(&place, index, GuestPhysical(at));
            }
        }
        if let Some(run) = place.run {
            for index in kept..blocks {
                let at = run.start.add((index - kept) * LARGE_PAGE_SIZE);
                self.show_block(&place, index, at);
            }
        }
        let new = self.publish_extent(&place, blocks, size, stack);
        // Whoever still gets to a moved block by an old address finds the same object there.
        self.revoke_extent(old);
        Ok(new)
    }

    /// Revokes an extent that was just freed: its windows are closed at once.
    pub(super) fn revoke_extent(&self, extent: Handle<Extent>) {
        let start = GuestVirtual(extent.start.load(Ordering::Relaxed));
        if self.unmap_extent(start, extent.capacity()) && !self.wait_after_unmap(extent) {
            self.give_extent(extent);
        }
    }

    /// Gives back the blocks of an extent that no processor reaches any more.
    pub(super) fn give_extent(&self, extent: Handle<Extent>) {
        let start = GuestVirtual(extent.start.load(Ordering::Relaxed));
        let Some(first) = self.windows.number_of(start) else {
            return;
        };
        let mut run: Option<Run> = None;
        for number in first..first + extent.blocks() {
            let window = self.windows.record(&self.machine, number);
            let at = window.map_or(0, |window| block(&window).swap(0, Ordering::Relaxed));
            if at == 0 {
                continue;
            }
            match &mut run {
                Some(run) if run.start.add(run.blocks * LARGE_PAGE_SIZE).0 == at => run.blocks += 1,
                _ => {
                    let next = Run {
                        start: GuestPhysical(at),
                        blocks: 1,
                        zero: false,
                    };
                    if let Some(run) = run.replace(next) {
                        self.give_blocks(run.start, run.blocks);
                    }
                }
            }
        }
        if let Some(run) = run {
            self.give_blocks(run.start, run.blocks);
        }
    }

    /// Whether any block is still the extent's.
    pub(super) fn has_blocks(&self, extent: Handle<Extent>) -> bool {
        let start = GuestVirtual(extent.start.load(Ordering::Relaxed));
        let first = self.windows.number_of(start).unwrap_or(0);
        (first..first + extent.blocks()).any(|number| {
            let window = self.windows.record(&self.machine, number);
            window.is_some_and(|window| block(&window).load(Ordering::Relaxed) != 0)
        })
    }

    /// Takes the translations of whole windows away and sees them gone.
    fn unmap_extent(&self, start: GuestVirtual, bytes: u64) -> bool {
        // Whole large pages are never split, so this needs no memory.
        match self.mapper().unmap(start, bytes) {
            Ok(flush) => {
                self.directory_edit(flush).redeem(&self.machine);
                true
            }
            Err(_) => false,
        }
    }
}
