//! The walk over page tables: map, unmap, translate, split.
//!
//! Tables are read and written one entry at a time through [`TableMemory`], and an entry's target
//! is followed only where `is_table` allows it, so a walk over tables that a hostile guest wrote
//! touches nothing else and ends after four levels.

use core::sync::atomic::{fence, Ordering};

use thiserror::Error;

use super::entry::{Entry, Flags};
use super::flush::Flush;
use crate::address::{GuestPhysical, GuestVirtual, PAGE_SIZE};

/// Entries of a table.
const ENTRIES: u64 = 512;

/// Access to page tables in guest-physical memory.
pub trait TableMemory {
    /// Reads the 8-byte entry at `at`, atomically.
    fn load(&self, at: GuestPhysical) -> u64;
    /// Writes the 8-byte entry at `at`, atomically, after all that was written before: a table is
    /// filled before it is linked.
    fn store(&self, at: GuestPhysical, value: u64);
    /// A zeroed 4 KiB frame for a new table, if there is memory.
    fn allocate_table(&self) -> Option<GuestPhysical>;
    /// Whether the frame at `at` may be read as a table.
    fn is_table(&self, at: GuestPhysical) -> bool;
}

/// Why a page-table edit failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MapError {
    /// The range is not made of whole pages of the lower half of the address space.
    #[error(
        "{start} and {length:#x} bytes on: not whole pages below the middle of the address space"
    )]
    Range {
        /// Start of the range.
        start: GuestVirtual,
        /// Its length.
        length: u64,
    },
    /// Something else is mapped there already; it is left as it was.
    #[error("something else is already mapped at {at}: unmap it first")]
    Occupied {
        /// Where.
        at: GuestVirtual,
    },
    /// There was no memory for a page table. What was mapped before remains, and mapping the same
    /// range again goes on from there.
    #[error("no memory for a page table while mapping {at}: give the machine more memory")]
    OutOfTables {
        /// Where.
        at: GuestVirtual,
    },
    /// A table lies where no table can be: somebody wrote over the entry that points to it.
    #[error("the page tables at {at} are damaged: they point to a table at {table}")]
    Damaged {
        /// The address being walked to.
        at: GuestVirtual,
        /// Where the table would be.
        table: GuestPhysical,
    },
}

/// A level of the page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Entries are small pages.
    Table = 1,
    /// Entries are large pages, or tables of 512 small ones.
    Directory = 2,
    /// Entries cover 1 GiB each.
    Pointers = 3,
    /// Entries cover 512 GiB each.
    Root = 4,
}

impl Level {
    /// Bytes that one entry of this level covers.
    #[must_use]
    pub const fn size(self) -> u64 {
        PAGE_SIZE << (9 * (self as u32 - 1))
    }

    const fn below(self) -> Option<Self> {
        match self {
            Self::Root => Some(Self::Pointers),
            Self::Pointers => Some(Self::Directory),
            Self::Directory => Some(Self::Table),
            Self::Table => None,
        }
    }

    /// Whether an entry of this level can be a leaf with the Large bit.
    const fn can_be_large(self) -> bool {
        matches!(self, Self::Pointers | Self::Directory)
    }

    /// Whether `entry`, present at this level, is a leaf.
    const fn is_leaf(self, entry: Entry) -> bool {
        matches!(self, Self::Table) || (self.can_be_large() && entry.is_large())
    }

    /// Where in `table`, of this level, the entry for `at` lies.
    const fn slot(self, table: GuestPhysical, at: GuestVirtual) -> GuestPhysical {
        table.add((at.0 / self.size()) % ENTRIES * 8)
    }
}

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The physical address.
    pub physical: GuestPhysical,
    /// What every level of the walk allows.
    pub flags: Flags,
    /// Bytes of the page that holds it: the translation goes on contiguously to its end.
    pub page_size: u64,
}

/// The page tables under one root.
#[derive(Clone, Copy)]
pub struct Mapper<'m, M: TableMemory> {
    memory: &'m M,
    root: GuestPhysical,
}

/// A range being mapped: what is left of it.
struct Range {
    at: GuestVirtual,
    to: GuestPhysical,
    end: GuestVirtual,
    flags: Flags,
}

impl Range {
    fn advance(&mut self, bytes: u64) {
        self.at = self.at.add(bytes);
        self.to = self.to.add(bytes);
    }
}

impl<'m, M: TableMemory> Mapper<'m, M> {
    /// The tables under the root table at `root`.
    pub const fn new(memory: &'m M, root: GuestPhysical) -> Self {
        Self { memory, root }
    }

    /// Maps `length` bytes from `start` onto physical memory from `to`, with large pages wherever
    /// both are aligned for one. Entries only go from absent to present, and a processor never
    /// keeps an absent translation (KVM's shadow paging likewise looks again at a fault), so there
    /// is nothing to flush. What is mapped exactly so already is left alone.
    ///
    /// # Errors
    /// Anything else mapped in the range, or no memory for a table; the part before stays mapped.
    pub fn map(
        &self,
        start: GuestVirtual,
        to: GuestPhysical,
        length: u64,
        flags: Flags,
    ) -> Result<(), MapError> {
        let end = range_end(start, length)?;
        if !to.is_aligned(PAGE_SIZE) {
            return Err(MapError::Range { start, length });
        }
        let mut range = Range {
            at: start,
            to,
            end,
            flags,
        };
        self.map_in(self.root, Level::Root, &mut range)
    }

    /// Maps the part of `range` that `table` covers.
    fn map_in(
        &self,
        table: GuestPhysical,
        level: Level,
        range: &mut Range,
    ) -> Result<(), MapError> {
        let table_end = GuestVirtual(end_of_block(range.at.0, level.size() * ENTRIES));
        while range.at < range.end && range.at < table_end {
            let slot = level.slot(table, range.at);
            let entry = Entry::from_bits(self.memory.load(slot));
            let entry_end = GuestVirtual(end_of_block(range.at.0, level.size()));
            if entry.is_present() && level.is_leaf(entry) {
                let inside = range.at.offset_in(level.size());
                if entry.target(level.size()).add(inside) != range.to
                    || entry.flags() != range.flags
                {
                    return Err(MapError::Occupied { at: range.at });
                }
                range.advance(entry_end.min(range.end).0 - range.at.0);
                continue;
            }
            if !entry.is_present() && self.fits(level, range) {
                let leaf = match level {
                    Level::Table => Entry::page(range.to, range.flags),
                    _ => Entry::large(range.to, range.flags),
                };
                self.memory.store(slot, leaf.bits());
                range.advance(level.size());
                continue;
            }
            if let Some(below) = level.below() {
                let child = self.child_or_new(slot, entry, range.at)?;
                self.map_in(child, below, range)?;
            }
        }
        Ok(())
    }

    /// Whether the range goes on with one whole leaf of `level`.
    fn fits(&self, level: Level, range: &Range) -> bool {
        match level {
            Level::Table => true,
            Level::Directory => {
                range.at.is_aligned(level.size())
                    && range.to.is_aligned(level.size())
                    && range.end.0 - range.at.0 >= level.size()
            }
            Level::Pointers | Level::Root => false,
        }
    }

    /// Unmaps `length` bytes from `start`. A larger leaf that is only partly covered is split.
    /// Tables stay linked even when nothing is left in them: another range may be about to use
    /// them. Absent entries are skipped whole, so an empty range costs little, however long.
    ///
    /// # Errors
    /// No memory to split a leaf, or damaged tables; nothing has been unmapped then.
    pub fn unmap(&self, start: GuestVirtual, length: u64) -> Result<Flush, MapError> {
        let end = range_end(start, length)?;
        // Splits come first, as they can fail and clearing cannot.
        self.split_around(start)?;
        self.split_around(end)?;
        Ok(self.clear_in(self.root, Level::Root, start, end))
    }

    /// Clears the leaves of `[at, end)` in `table`; the range begins inside the table.
    fn clear_in(
        &self,
        table: GuestPhysical,
        level: Level,
        mut at: GuestVirtual,
        end: GuestVirtual,
    ) -> Flush {
        let mut flush = Flush::empty();
        let table_end = GuestVirtual(end_of_block(at.0, level.size() * ENTRIES));
        while at < end && at < table_end {
            let slot = level.slot(table, at);
            let entry = Entry::from_bits(self.memory.load(slot));
            let next = GuestVirtual(end_of_block(at.0, level.size()));
            if entry.is_present() {
                if level.is_leaf(entry) {
                    self.memory.store(slot, Entry::ABSENT.bits());
                    flush = flush.merge(Flush::pages(at, next));
                } else if let Some(below) = level.below() {
                    if self.memory.is_table(entry.frame()) {
                        flush = flush.merge(self.clear_in(entry.frame(), below, at, end));
                    }
                }
            }
            at = next;
        }
        flush
    }

    /// Makes `at` the boundary of two leaves, if it lies inside one.
    fn split_around(&self, at: GuestVirtual) -> Result<(), MapError> {
        let mut table = self.root;
        let mut level = Level::Root;
        while let Some(below) = level.below() {
            if at.is_aligned(level.size()) {
                return Ok(());
            }
            let slot = level.slot(table, at);
            let entry = Entry::from_bits(self.memory.load(slot));
            if !entry.is_present() {
                return Ok(());
            }
            table = if level.is_leaf(entry) {
                let new = self
                    .memory
                    .allocate_table()
                    .ok_or(MapError::OutOfTables { at })?;
                self.split(slot, level, new, |_| true);
                new
            } else {
                self.child(entry, at)?
            };
            level = below;
        }
        Ok(())
    }

    /// Replaces the large leaf in `slot`, an entry of `level`, by the table `new` that translates
    /// the same, but for the entries that `keep` does not want. The old translation may stay in use
    /// until it is flushed: only what was left out needs that, and flushing any address in it will
    /// do, as it takes away the large translation as well.
    pub fn split(
        &self,
        slot: GuestPhysical,
        level: Level,
        new: GuestPhysical,
        keep: impl Fn(u64) -> bool,
    ) {
        let entry = Entry::from_bits(self.memory.load(slot));
        let Some(below) = level.below() else { return };
        let start = entry.target(level.size());
        for index in 0..ENTRIES {
            let to = start.add(index * below.size());
            let part = match below {
                _ if !keep(index) => Entry::ABSENT,
                Level::Table => Entry::page(to, entry.flags()),
                _ => Entry::large(to, entry.flags()),
            };
            self.memory.store(new.add(index * 8), part.bits());
        }
        self.link(slot, new);
    }

    /// Where `at` leads, or `None` where nothing is mapped for ring 3.
    #[must_use]
    pub fn translate(&self, at: GuestVirtual) -> Option<Translation> {
        if at.0 >= 1 << 47 {
            return None;
        }
        let mut table = self.root;
        let mut level = Level::Root;
        let mut flags = Flags {
            write: true,
            execute: true,
        };
        loop {
            if !self.memory.is_table(table) {
                return None;
            }
            let entry = Entry::from_bits(self.memory.load(level.slot(table, at)));
            if !entry.is_present() || !entry.is_user() {
                return None;
            }
            flags.write &= entry.flags().write;
            flags.execute &= entry.flags().execute;
            if level.is_leaf(entry) {
                let page_size = level.size();
                let physical = entry.target(page_size).add(at.offset_in(page_size));
                return Some(Translation {
                    physical,
                    flags,
                    page_size,
                });
            }
            table = entry.frame();
            level = level.below()?;
        }
    }

    /// Where the entry of `level` for `at` lies; tables above it that are missing are made.
    ///
    /// # Errors
    /// No memory for a table, or a leaf of a higher level in the way.
    pub fn entry_for(&self, at: GuestVirtual, level: Level) -> Result<GuestPhysical, MapError> {
        let mut table = self.root;
        let mut here = Level::Root;
        while here > level {
            let slot = here.slot(table, at);
            let entry = Entry::from_bits(self.memory.load(slot));
            if entry.is_present() && here.is_leaf(entry) {
                return Err(MapError::Occupied { at });
            }
            table = self.child_or_new(slot, entry, at)?;
            let Some(below) = here.below() else { break };
            here = below;
        }
        Ok(level.slot(table, at))
    }

    /// Where the entry of `level` for `at` lies, if the tables above it exist.
    #[must_use]
    pub fn find_entry(&self, at: GuestVirtual, level: Level) -> Option<GuestPhysical> {
        let mut table = self.root;
        let mut here = Level::Root;
        while here > level {
            let entry = Entry::from_bits(self.memory.load(here.slot(table, at)));
            if !entry.is_present() || here.is_leaf(entry) {
                return None;
            }
            table = self.child(entry, at).ok()?;
            here = here.below()?;
        }
        Some(level.slot(table, at))
    }

    /// The table that `entry` points to, or a new one, linked into `slot`, if it points to none.
    fn child_or_new(
        &self,
        slot: GuestPhysical,
        entry: Entry,
        at: GuestVirtual,
    ) -> Result<GuestPhysical, MapError> {
        if entry.is_present() {
            return self.child(entry, at);
        }
        let new = self
            .memory
            .allocate_table()
            .ok_or(MapError::OutOfTables { at })?;
        self.link(slot, new);
        Ok(new)
    }

    fn child(&self, entry: Entry, at: GuestVirtual) -> Result<GuestPhysical, MapError> {
        let table = entry.frame();
        if self.memory.is_table(table) {
            Ok(table)
        } else {
            Err(MapError::Damaged { at, table })
        }
    }

    /// Points `slot` to `table`, whose contents other processors must see first.
    fn link(&self, slot: GuestPhysical, table: GuestPhysical) {
        fence(Ordering::Release);
        self.memory.store(slot, Entry::table(table).bits());
    }
}

/// The first address past the `size`-aligned block that holds `at`; below 2^48 for our addresses.
const fn end_of_block(at: u64, size: u64) -> u64 {
    (at & !(size - 1)) + size
}

fn range_end(start: GuestVirtual, length: u64) -> Result<GuestVirtual, MapError> {
    let whole = start.is_aligned(PAGE_SIZE) && length % PAGE_SIZE == 0;
    match start.0.checked_add(length) {
        Some(end) if whole && end <= 1 << 47 => Ok(GuestVirtual(end)),
        _ => Err(MapError::Range { start, length }),
    }
}
