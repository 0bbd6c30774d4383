//! Page tables of the alias region, in granted memory.

use core::sync::atomic::{AtomicU64, Ordering};

use super::machine::Machine;
use super::space::Space;
use crate::address::{GuestPhysical, GuestVirtual, PAGE_SIZE};
use crate::paging::{Level, MapError, Mapper, TableMemory};

impl<M: Machine> TableMemory for Space<M> {
    fn load(&self, at: GuestPhysical) -> u64 {
        self.table_entry(at).load(Ordering::Relaxed)
    }

    fn store(&self, at: GuestPhysical, value: u64) {
        self.table_entry(at).store(value, Ordering::Release);
        self.machine.table_written(at);
    }

    fn allocate_table(&self) -> Option<GuestPhysical> {
        self.arena.allocate(&self.machine, &self.blocks, PAGE_SIZE)
    }

    /// The tables are the runtime's own, which shares the program's trust.
    fn is_table(&self, _at: GuestPhysical) -> bool {
        true
    }
}

impl<M: Machine> Space<M> {
    fn table_entry(&self, at: GuestPhysical) -> &AtomicU64 {
        // SAFETY: the mapper asks for 8-byte entries of tables under the machine's root only, and
        // those stay in the direct map.
        unsafe { AtomicU64::from_ptr(self.machine.direct(at).cast()) }
    }

    /// The page tables.
    pub(super) fn mapper(&self) -> Mapper<'_, Self> {
        Mapper::new(self, self.machine.root())
    }

    /// The directory entry of the window at `at`; tables above it are made where they are missing.
    pub(super) fn directory_entry(&self, at: GuestVirtual) -> Result<GuestPhysical, MapError> {
        if let Some(found) = self.own_entry(at) {
            return Ok(found);
        }
        let _one_at_a_time = self.directories.lock();
        self.mapper().entry_for(at, Level::Directory)
    }

    /// Gives a page table back that nothing points to and no processor remembers.
    pub(super) fn give_table(&self, at: GuestPhysical) {
        self.arena.give(&self.machine, at, PAGE_SIZE);
    }
}
