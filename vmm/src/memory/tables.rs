//! Page tables in guest-physical memory, for `dangless_core::paging`.
//!
//! Tables that the guest can write are untrusted: a walk goes on only into blocks that hold page
//! tables (the VMM's, or granted to the runtime), so a forged entry cannot lead the VMM into a
//! file mapping. Loads and stores are atomic: vCPUs may walk at the same time.

use super::physical::{MemoryError, Physical, Use};
use dangless_core::address::{GuestPhysical, LARGE_PAGE_SIZE, PAGE_SIZE};
use dangless_core::paging::TableMemory;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The VMM's view of page tables, and its supply of table frames.
pub struct Tables {
    physical: Arc<Physical>,
    /// The block that frames are taken from, and how many bytes of it are used.
    current: Mutex<Option<(GuestPhysical, u64)>>,
}

impl Tables {
    /// An empty supply over `physical`.
    #[must_use]
    pub fn new(physical: Arc<Physical>) -> Self {
        Self {
            physical,
            current: Mutex::new(None),
        }
    }

    /// One zeroed frame.
    ///
    /// # Errors
    /// When guest memory is used up.
    pub fn frame(&self) -> Result<GuestPhysical, MemoryError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (block, used) = match *current {
            Some((block, used)) if used < LARGE_PAGE_SIZE => (block, used),
            _ => (self.physical.allocate(1, Use::Tables)?, 0),
        };
        *current = Some((block, used + PAGE_SIZE));
        Ok(block.add(used))
    }

    /// Keeps the supply as it is while the result is held.
    pub fn freeze(&self) -> impl Sized + '_ {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cell(&self, at: GuestPhysical) -> Option<&AtomicU64> {
        if !at.is_aligned(8) || !self.is_table(at.align_down(PAGE_SIZE)) {
            return None;
        }
        let host = self.physical.host(at, 8)?;
        // SAFETY: 8-aligned, inside the reservation, in a block of anonymous memory that lives as
        // long as `self.physical`; all accesses of the VMM to tables are atomic.
        Some(unsafe { AtomicU64::from_ptr(host.cast()) })
    }
}

impl TableMemory for Tables {
    fn load(&self, at: GuestPhysical) -> u64 {
        self.cell(at).map_or(0, |cell| cell.load(Ordering::Acquire))
    }

    fn store(&self, at: GuestPhysical, value: u64) {
        if let Some(cell) = self.cell(at) {
            cell.store(value, Ordering::Release);
        }
    }

    fn allocate_table(&self) -> Option<GuestPhysical> {
        self.frame().ok()
    }

    fn is_table(&self, at: GuestPhysical) -> bool {
        at.is_aligned(PAGE_SIZE) && matches!(self.physical.use_of(at), Use::Tables | Use::Granted)
    }
}
