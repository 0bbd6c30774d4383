//! Extents: objects of more than a mebibyte, on whole blocks of their own.
//!
//! An extent is mapped with large pages over as many windows as it has blocks. Its record stays
//! after the object is gone, so that the addresses can be described.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::blocks::Run;
use super::depot::StackId;
use super::handle::{Handle, Link, Record};
use super::machine::Machine;
use super::space::Space;
use super::window::Use;
use super::OutOfMemory;
use crate::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE};
use crate::paging::Flags;

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
    physical: AtomicU64,
    blocks: AtomicU64,
}

// SAFETY: all fields are atomics or links.
unsafe impl Record for Extent {}

impl Extent {
    /// Bytes of its memory.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.blocks.load(Ordering::Relaxed) * LARGE_PAGE_SIZE
    }
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
        let extent = self
            .record::<Extent>(core::mem::size_of::<Extent>() as u64)
            .ok_or(OutOfMemory)?;
        let mapped = self.map_extent(extent, blocks, align, zeroed);
        let Ok(first) = mapped else {
            self.give_record(extent, core::mem::size_of::<Extent>() as u64);
            return Err(OutOfMemory);
        };
        let start = self.windows.address(first);
        extent.allocated.store(stack, Ordering::Relaxed);
        extent.start.store(start.0, Ordering::Relaxed);
        extent.size.store(size, Ordering::Relaxed);
        extent.live.store(1, Ordering::Release);
        for number in first..first + blocks {
            if let Some(window) = self.windows.record(&self.machine, number) {
                window.extent.set(Some(extent));
                window.publish(Use::Extent);
            }
        }
        Ok(start)
    }

    /// Takes memory and windows for an extent and maps the ones at the others.
    fn map_extent(
        &self,
        extent: Handle<Extent>,
        blocks: u64,
        align: u64,
        zeroed: bool,
    ) -> Result<u64, OutOfMemory> {
        let first = self.windows.reserve(blocks, align).ok_or(OutOfMemory)?;
        let Some(run) = self.blocks.take(&self.machine, blocks) else {
            self.windows.unreserve(first, blocks);
            return Err(OutOfMemory);
        };
        let bytes = blocks * LARGE_PAGE_SIZE;
        if zeroed && !run.zero {
            self.machine.discard(run.start, bytes);
        }
        let start = self.windows.address(first);
        let mapped = {
            let _one_at_a_time = self.directories.lock();
            self.mapper().map(start, run.start, bytes, Flags::DATA)
        };
        if mapped.is_err() {
            self.unmap_extent(start, bytes);
            self.blocks.give(
                &self.machine,
                Run {
                    zero: run.zero || zeroed,
                    ..run
                },
            );
            return Err(OutOfMemory);
        }
        extent.physical.store(run.start.0, Ordering::Relaxed);
        extent.blocks.store(blocks, Ordering::Relaxed);
        Ok(first)
    }

    /// Revokes an extent that was just freed: its windows are closed at once.
    pub(super) fn revoke_extent(&self, extent: Handle<Extent>) {
        let blocks = extent.blocks.load(Ordering::Relaxed);
        let start = GuestVirtual(extent.start.load(Ordering::Relaxed));
        if self.unmap_extent(start, blocks * LARGE_PAGE_SIZE) && !self.wait_after_unmap(extent) {
            self.give_extent(extent);
        }
    }

    /// Gives the memory of an extent back that no processor reaches any more.
    pub(super) fn give_extent(&self, extent: Handle<Extent>) {
        let run = Run {
            start: GuestPhysical(extent.physical.load(Ordering::Relaxed)),
            blocks: extent.blocks.load(Ordering::Relaxed),
            zero: false,
        };
        self.blocks.give(&self.machine, run);
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
