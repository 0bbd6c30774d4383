//! The program's address space: `mmap` and its family, page faults, and translation.
//!
//! The host mirrors the guest: each 2 MiB-aligned piece of application address space that holds
//! anything has one block of guest-physical memory, in which every byte has the offset that it has
//! in its piece. A file mapping is a host mapping placed into the block, `munmap` and `mremap` are
//! the host's own, and neighbouring pages are contiguous wherever the blocks are.
//!
//! Page tables: this module only ever makes entries *present* (at a fault, or early where that
//! saves one). Entries that change or vanish are the guest's to clear, since only its own stores
//! and flushes are seen at once on every kind of host: whoever calls [`Space::remove`],
//! [`Space::protect`] or [`Space::relocate`] gets [`Stale`] ranges, has the runtime unmap them,
//! and then calls [`Space::settle`], which drops the memory. All bookkeeping is behind one lock.

use super::physical::{MemoryError, Physical, Use};
use super::tables::Tables;
use super::vma::{Area, Areas, Backing};
use crate::process::Errno;
use dangless_core::abi::layout;
use dangless_core::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE};
use dangless_core::paging::{Flags, MapError, Mapper};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Mappings up to this many bytes get their page-table entries at once instead of at a fault.
const EAGER: u64 = 4 << 20;

/// Ranges whose page-table entries the guest must clear before [`Space::settle`].
#[derive(Debug, Default)]
#[must_use = "the guest still sees the old mapping until its entries are cleared"]
pub struct Stale {
    /// Ranges that may have entries.
    pub ranges: Vec<Range<u64>>,
    dropped: Vec<(Range<u64>, Area)>,
}

/// What became of a page fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The page is there now: go on.
    Mapped,
    /// Nothing is mapped there (`SEGV_MAPERR`).
    NotMapped,
    /// It is mapped without that right (`SEGV_ACCERR`).
    Denied,
    /// Guest memory is used up.
    OutOfMemory,
}

#[derive(Default)]
pub(super) struct Granule {
    pub(super) block: GuestPhysical,
    /// Whether page-table entries were made for any of it.
    linked: bool,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) areas: Areas,
    /// Number of the 2 MiB piece to its block.
    pub(super) granules: BTreeMap<u64, Granule>,
    /// `[start, end)` of the program break.
    heap: Range<u64>,
    /// Where mappings start that grow downwards.
    pub(super) growing: BTreeSet<u64>,
    /// Where System V segments are attached: start to end.
    pub(super) segments: BTreeMap<u64, u64>,
    /// Where the search for free addresses starts, downwards.
    top: u64,
}

/// The address space of one program.
pub struct Space {
    pub(super) physical: Arc<Physical>,
    tables: Arc<Tables>,
    root: GuestPhysical,
    /// Whether memory that others may have could ever be written.
    pub(super) shares: AtomicBool,
    state: Mutex<State>,
}

pub(super) fn granules(range: &Range<u64>) -> Range<u64> {
    range.start / LARGE_PAGE_SIZE..range.end.div_ceil(LARGE_PAGE_SIZE)
}

fn from_map_error(error: &MapError) -> Resolution {
    match error {
        MapError::OutOfTables { .. } => Resolution::OutOfMemory,
        _ => Resolution::Denied,
    }
}

impl Space {
    /// An empty address space under the page table at `root`; free addresses are sought below `top`.
    #[must_use]
    pub fn new(
        physical: Arc<Physical>,
        tables: Arc<Tables>,
        root: GuestPhysical,
        top: u64,
    ) -> Self {
        Self {
            physical,
            tables,
            root,
            shares: AtomicBool::new(false),
            state: Mutex::new(State {
                top,
                ..State::default()
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps everything as it is while the result is held.
    pub fn freeze(&self) -> impl Sized + '_ {
        self.lock()
    }

    /// The page tables.
    #[must_use]
    pub fn mapper(&self) -> Mapper<'_, Tables> {
        Mapper::new(&*self.tables, self.root)
    }

    /// A free range of `length` bytes: at `hint` if that is possible, else the highest below
    /// `limit` (or the usual region when `limit` is 0).
    #[must_use]
    pub fn find_free(&self, hint: u64, length: u64, limit: u64) -> Option<u64> {
        let state = self.lock();
        if hint != 0 && layout::is_application(hint, length) {
            let wanted = hint..hint + length;
            if !state.areas.is_occupied(&wanted) {
                return Some(hint);
            }
        }
        if limit != 0 {
            return state.areas.highest_gap(length, 0x1_0000..limit);
        }
        state
            .areas
            .highest_gap(length, layout::RUNTIME_END..state.top)
            .or_else(|| {
                state
                    .areas
                    .highest_gap(length, layout::ALIAS_END..layout::RUNTIME_START)
            })
    }

    /// The highest free range of `length` bytes within `bounds`.
    #[must_use]
    pub fn find_within(&self, length: u64, bounds: Range<u64>) -> Option<u64> {
        self.lock().areas.highest_gap(length, bounds)
    }

    /// Whether anything is mapped in the range.
    #[must_use]
    pub fn is_occupied(&self, range: &Range<u64>) -> bool {
        self.lock().areas.is_occupied(range)
    }

    /// Whether all of the range is mapped.
    #[must_use]
    pub fn is_covered(&self, range: &Range<u64>) -> bool {
        self.lock().areas.is_covered(range)
    }

    /// The mapping that holds `at`.
    #[must_use]
    pub fn area_around(&self, at: u64) -> Option<Range<u64>> {
        self.lock().areas.find(at).map(|(range, _)| range)
    }

    /// The program break, `[start, end)`.
    #[must_use]
    pub fn heap(&self) -> Range<u64> {
        self.lock().heap.clone()
    }

    /// Sets the program break's bounds; mapping and unmapping are the caller's.
    pub fn set_heap(&self, heap: Range<u64>) {
        self.lock().heap = heap;
    }

    /// Makes sure that blocks stand behind the range: all of them, or none are added.
    pub(super) fn back(&self, state: &mut State, range: &Range<u64>) -> Result<(), MemoryError> {
        let mut added = Vec::new();
        let mut number = granules(range).start;
        let end = granules(range).end;
        while number < end {
            if state.granules.contains_key(&number) {
                number += 1;
                continue;
            }
            let missing = (number..end)
                .take_while(|n| !state.granules.contains_key(n))
                .count() as u64;
            // In one piece if there is one: contiguous memory makes for few pieces later.
            let mut count = missing;
            let start = loop {
                match self.physical.allocate(count, Use::Application) {
                    Ok(start) => break start,
                    Err(_) if count > 1 => count = count.div_ceil(2),
                    Err(error) => {
                        for (number, block) in added {
                            state.granules.remove(&number);
                            self.physical.release(block, 1, Use::Application);
                        }
                        return Err(error);
                    }
                }
            };
            for index in 0..count {
                let block = start.add(index * LARGE_PAGE_SIZE);
                added.push((number + index, block));
                state.granules.insert(
                    number + index,
                    Granule {
                        block,
                        linked: false,
                    },
                );
            }
            number += count;
        }
        Ok(())
    }

    /// The pieces of guest-physical memory behind a backed range, in order.
    pub(super) fn pieces(state: &State, range: &Range<u64>) -> Vec<(GuestPhysical, u64)> {
        let mut pieces: Vec<(GuestPhysical, u64)> = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let Some(granule) = state.granules.get(&(at / LARGE_PAGE_SIZE)) else {
                break;
            };
            let offset = at % LARGE_PAGE_SIZE;
            let length = (LARGE_PAGE_SIZE - offset).min(range.end - at);
            let physical = granule.block.add(offset);
            match pieces.last_mut() {
                Some((start, total)) if start.add(*total) == physical => *total += length,
                _ => pieces.push((physical, length)),
            }
            at += length;
        }
        pieces
    }

    /// Maps anonymous memory where nothing is mapped. With `reserve`, memory is set aside now.
    ///
    /// # Errors
    /// When `reserve` is wanted and guest memory is used up.
    pub fn map_anonymous(
        &self,
        range: Range<u64>,
        protection: i32,
        reserve: bool,
    ) -> Result<(), MemoryError> {
        self.add_anonymous(range, Area::new(protection, Backing::Anonymous), reserve)
    }

    fn add_anonymous(
        &self,
        range: Range<u64>,
        area: Area,
        reserve: bool,
    ) -> Result<(), MemoryError> {
        let mut state = self.lock();
        if reserve {
            self.back(&mut state, &range)?;
        }
        state.areas.insert(range.clone(), area);
        if reserve && range.end - range.start <= EAGER {
            self.link(&mut state, &range, area);
        }
        Ok(())
    }

    /// Maps a host object (a file, or shared anonymous memory with descriptor -1) where nothing is
    /// mapped.
    ///
    /// # Errors
    /// What the host's `mmap` says; ENOMEM when guest memory is used up.
    pub fn map_host(
        &self,
        range: Range<u64>,
        protection: i32,
        flags: i32,
        descriptor: i32,
        offset: u64,
    ) -> Result<(), Errno> {
        let mut state = self.lock();
        self.back(&mut state, &range)
            .map_err(|_| Errno(libc::ENOMEM))?;
        let shared = flags & libc::MAP_SHARED != 0;
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let mut rights = both;
        let mut done = 0;
        for (physical, length) in Self::pieces(&state, &range) {
            let Some(host) = self.physical.host(physical, length) else {
                return Err(Errno(libc::ENOMEM));
            };
            let place = |rights: i32| {
                // SAFETY: replaces a piece of the reservation that belongs to this range of the
                // guest, where nothing is mapped; the kernel checks descriptor and offset.
                let at = unsafe {
                    libc::mmap(
                        host.cast(),
                        length as usize,
                        rights,
                        flags | libc::MAP_FIXED,
                        descriptor,
                        (offset + done) as libc::off_t,
                    )
                };
                if at == libc::MAP_FAILED {
                    Err(Errno(
                        std::io::Error::last_os_error()
                            .raw_os_error()
                            .unwrap_or(libc::ENOMEM),
                    ))
                } else {
                    Ok(())
                }
            };
            let mut placed = place(rights);
            if placed == Err(Errno(libc::EACCES)) && shared && protection & libc::PROT_WRITE == 0 {
                // A file open for reading only: the mapping can never become writable.
                rights = libc::PROT_READ;
                placed = place(rights);
            }
            if let Err(error) = placed {
                for (physical, length) in Self::pieces(&state, &range) {
                    self.physical.reset(physical, length);
                }
                self.free_empty(&mut state, &range);
                return Err(error);
            }
            done += length;
        }
        let backing = Backing::Host {
            may_write: rights == both,
            shared,
        };
        let area = Area::new(protection, backing);
        self.note_shared(area);
        state.areas.insert(range.clone(), area);
        if range.end - range.start <= EAGER {
            self.link(&mut state, &range, area);
        }
        Ok(())
    }

    /// Maps attached memory where nothing is mapped.
    ///
    /// # Errors
    /// When guest memory is used up.
    pub fn map_attached(
        &self,
        range: Range<u64>,
        memory: GuestPhysical,
    ) -> Result<(), MemoryError> {
        let mut state = self.lock();
        // Blocks remember which page-table entries there are.
        self.back(&mut state, &range)?;
        let backing = Backing::Attached(memory.0.wrapping_sub(range.start));
        let area = Area::new(libc::PROT_READ, backing);
        state.areas.insert(range, area);
        Ok(())
    }

    /// Makes page-table entries for an area's range, as far as there is memory for tables: what is
    /// missing is made at a fault.
    fn link(&self, state: &mut State, range: &Range<u64>, area: Area) {
        let mut at = range.start;
        while at < range.end {
            let end = (at / LARGE_PAGE_SIZE + 1) * LARGE_PAGE_SIZE;
            let part = at..end.min(range.end);
            if self.link_part(state, &part, area).is_err() {
                break;
            }
            at = part.end;
        }
    }

    /// Makes entries for a range within one 2 MiB piece.
    fn link_part(
        &self,
        state: &mut State,
        part: &Range<u64>,
        area: Area,
    ) -> Result<(), Resolution> {
        if area.protection & (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) == 0 {
            return Ok(());
        }
        self.back(state, part)
            .map_err(|_| Resolution::OutOfMemory)?;
        let Some(granule) = state.granules.get_mut(&(part.start / LARGE_PAGE_SIZE)) else {
            return Err(Resolution::NotMapped);
        };
        granule.linked = true;
        let flags = Flags {
            write: area.protection & libc::PROT_WRITE != 0,
            execute: area.protection & libc::PROT_EXEC != 0,
        };
        let physical = match area.backing {
            Backing::Attached(distance) => GuestPhysical(part.start.wrapping_add(distance)),
            Backing::Anonymous | Backing::Host { .. } => {
                granule.block.add(part.start % LARGE_PAGE_SIZE)
            }
        };
        self.mapper()
            .map(
                GuestVirtual(part.start),
                physical,
                part.end - part.start,
                flags,
            )
            .map_err(|error| from_map_error(&error))
    }

    /// Makes page-table entries for the mapped parts of `range` before they are touched: a fault
    /// saved. What is missing is made at a fault.
    pub fn prepare(&self, range: &Range<u64>) {
        let mut state = self.lock();
        for (part, area) in state.areas.within(range.clone()) {
            self.link(&mut state, &part, area);
        }
    }

    /// Remembers it if others may have what the program writes there.
    pub(super) fn note_shared(&self, area: Area) {
        if area.is_written_shared() {
            self.shares.store(true, Ordering::Relaxed);
        }
    }

    /// Whether other processes may have anything that the program has written, but by `fork`.
    #[must_use]
    pub fn shares(&self) -> bool {
        self.shares.load(Ordering::Relaxed)
    }

    /// Serves a page fault of the program at `at`.
    #[must_use]
    pub fn fault(&self, at: u64, write: bool, fetch: bool) -> Resolution {
        let mut state = self.lock();
        let Some((range, area)) = state.areas.find(at) else {
            return Resolution::NotMapped;
        };
        let right = if write {
            libc::PROT_WRITE
        } else if fetch {
            libc::PROT_EXEC
        } else {
            libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC
        };
        if area.protection & right == 0 {
            return Resolution::Denied;
        }
        let piece = at - at % LARGE_PAGE_SIZE;
        let part = range.start.max(piece)..range.end.min(piece + LARGE_PAGE_SIZE);
        match self.link_part(&mut state, &part, area) {
            Ok(()) => Resolution::Mapped,
            Err(resolution) => resolution,
        }
    }

    /// The parts of `range` that may have page-table entries.
    fn linked(state: &State, range: &Range<u64>) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (&number, granule) in state.granules.range(granules(range)) {
            if !granule.linked {
                continue;
            }
            let start = (number * LARGE_PAGE_SIZE).max(range.start);
            let end = ((number + 1) * LARGE_PAGE_SIZE).min(range.end);
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => ranges.push(start..end),
            }
        }
        ranges
    }

    /// Takes away whatever is mapped in `range`.
    pub fn remove(&self, range: &Range<u64>) -> Stale {
        let mut state = self.lock();
        state
            .segments
            .retain(|&start, &mut end| end <= range.start || range.end <= start);
        // What is left of a mapping that grows still does.
        let last = state.growing.range(range.clone()).next_back().copied();
        let cut = last.and_then(|start| state.areas.find(start));
        state.growing.retain(|start| !range.contains(start));
        if cut.is_some_and(|(whole, _)| whole.end > range.end) {
            state.growing.insert(range.end);
        }
        let dropped = state.areas.remove(range);
        let mut ranges = Vec::new();
        for (part, _) in &dropped {
            ranges.extend(Self::linked(&state, part));
        }
        Stale { ranges, dropped }
    }

    /// Drops the memory of ranges whose entries the guest has cleared.
    pub fn settle(&self, stale: Stale) {
        let mut state = self.lock();
        for (range, area) in &stale.dropped {
            for (physical, length) in Self::pieces_where_present(&state, range) {
                match area.backing {
                    Backing::Anonymous => self.physical.discard(physical, length),
                    Backing::Host { .. } => self.physical.reset(physical, length),
                    Backing::Attached(_) => {}
                }
            }
            self.free_empty(&mut state, range);
        }
    }

    /// As [`Self::pieces`], over a range that may have holes.
    pub(super) fn pieces_where_present(
        state: &State,
        range: &Range<u64>,
    ) -> Vec<(GuestPhysical, u64)> {
        state
            .granules
            .range(granules(range))
            .flat_map(|(&number, _)| {
                let start = (number * LARGE_PAGE_SIZE).max(range.start);
                let end = ((number + 1) * LARGE_PAGE_SIZE).min(range.end);
                Self::pieces(state, &(start..end))
            })
            .collect()
    }

    /// Gives back the blocks behind `range` in which nothing is mapped any more.
    pub(super) fn free_empty(&self, state: &mut State, range: &Range<u64>) {
        let empty: Vec<u64> = state
            .granules
            .range(granules(range))
            .map(|(&number, _)| number)
            .filter(|number| {
                let piece = number * LARGE_PAGE_SIZE..(number + 1) * LARGE_PAGE_SIZE;
                !state.areas.is_occupied(&piece)
            })
            .collect();
        for number in empty {
            if let Some(granule) = state.granules.remove(&number) {
                self.physical.release(granule.block, 1, Use::Application);
            }
        }
    }

    /// Changes the protection of a fully mapped range; new rights take effect at the next fault.
    ///
    /// # Errors
    /// ENOMEM if part of it is not mapped or memory for it cannot be set aside, EACCES if a file
    /// mapping can never be written.
    pub fn protect(&self, range: &Range<u64>, protection: i32) -> Result<Stale, Errno> {
        let mut state = self.lock();
        if !state.areas.is_covered(range) {
            return Err(Errno(libc::ENOMEM));
        }
        let write = protection & libc::PROT_WRITE != 0;
        let parts = state.areas.within(range.clone());
        for (part, area) in &parts {
            let never = matches!(
                area.backing,
                Backing::Host {
                    may_write: false,
                    ..
                } | Backing::Attached(_)
            );
            if write && never {
                return Err(Errno(libc::EACCES));
            }
            if write && area.protection & libc::PROT_WRITE == 0 && part.end - part.start <= 1 << 30
            {
                self.back(&mut state, part)
                    .map_err(|_| Errno(libc::ENOMEM))?;
            }
        }
        let mut ranges = Vec::new();
        for (part, area) in parts {
            if area.protection == protection {
                continue;
            }
            state.areas.remove(&part);
            let area = Area { protection, ..area };
            self.note_shared(area);
            state.areas.insert(part.clone(), area);
            ranges.extend(Self::linked(&state, &part));
        }
        Ok(Stale {
            ranges,
            dropped: Vec::new(),
        })
    }

    /// Makes the one anonymous mapping `old` longer by the free range `more` that follows it.
    ///
    /// # Errors
    /// EFAULT if `old` is not such a mapping, ENOMEM when memory is used up.
    pub fn extend(&self, old: &Range<u64>, more: &Range<u64>) -> Result<(), Errno> {
        let area = match self.lock().areas.within(old.clone()).as_slice() {
            [(part, area)] if part == old && area.backing == Backing::Anonymous => *area,
            _ => return Err(Errno(libc::EFAULT)),
        };
        self.add_anonymous(more.clone(), area, true)
            .map_err(|_| Errno(libc::ENOMEM))
    }

    /// Moves the mapping at `from` to the free range `to`, which may be longer; the old range is
    /// stale afterwards, and its pages have moved. With `keep`, which only private memory allows,
    /// the old range stays mapped and reads zero.
    ///
    /// # Errors
    /// EFAULT if `from` is not one mapping, EINVAL if it cannot be kept, ENOMEM when memory is used
    /// up.
    pub fn relocate(&self, from: &Range<u64>, to: &Range<u64>, keep: bool) -> Result<Stale, Errno> {
        let mut state = self.lock();
        let area = match state.areas.within(from.clone()).as_slice() {
            [(part, area)] if part == from && !matches!(area.backing, Backing::Attached(_)) => {
                *area
            }
            _ => return Err(Errno(libc::EFAULT)),
        };
        let anonymous = area.backing == Backing::Anonymous;
        if keep && !anonymous {
            return Err(Errno(libc::EINVAL));
        }
        self.back(&mut state, to).map_err(|_| Errno(libc::ENOMEM))?;
        let targets = Self::pieces(&state, to);
        if !anonymous && (targets.len() != 1 || Self::pieces(&state, from).len() != 1) {
            self.free_empty(&mut state, to);
            return Err(Errno(libc::ENOMEM));
        }
        self.move_pages(&state, from, to, anonymous)?;
        if keep {
            // The guest's entries lead to what is memory again here.
            for (physical, length) in Self::pieces_where_present(&state, from) {
                self.physical.reset(physical, length);
            }
            state.areas.insert(to.clone(), area);
            return Ok(Stale::default());
        }
        let dropped = state.areas.remove(from);
        let ranges = Self::linked(&state, from);
        state.areas.insert(to.clone(), area);
        // The host's mapping has moved away: a hole is left that must become memory again.
        let dropped = dropped
            .into_iter()
            .map(|(range, area)| {
                let backing = Backing::Host {
                    may_write: true,
                    shared: false,
                };
                (range, Area { backing, ..area })
            })
            .collect();
        Ok(Stale { ranges, dropped })
    }

    fn move_pages(
        &self,
        state: &State,
        from: &Range<u64>,
        to: &Range<u64>,
        anonymous: bool,
    ) -> Result<(), Errno> {
        let wanted = if anonymous {
            from.end - from.start
        } else {
            to.end - to.start
        };
        let mut done = 0;
        while done < from.end - from.start {
            let source = from.start + done..from.end;
            let target = to.start + done..to.start + wanted;
            let (Some(&(old, old_length)), Some(&(target_at, new_length))) = (
                Self::pieces_where_present(state, &source).first(),
                Self::pieces(state, &target).first(),
            ) else {
                return Ok(());
            };
            let length = old_length.min(new_length);
            let grown = if anonymous { length } else { new_length };
            let (Some(old), Some(new)) = (
                self.physical.host(old, length),
                self.physical.host(target_at, grown),
            ) else {
                return Err(Errno(libc::EFAULT));
            };
            // SAFETY: both ranges lie in the reservation, belong to the guest's old and new
            // mapping, and do not overlap, since the new range was free.
            let moved = unsafe {
                libc::mremap(
                    old.cast(),
                    length as usize,
                    grown as usize,
                    libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
                    new.cast::<libc::c_void>(),
                )
            };
            if moved == libc::MAP_FAILED {
                if !anonymous {
                    return Err(Errno(libc::ENOMEM));
                }
                // The host has unmapped the target by then.
                self.physical.reset(target_at, length);
                // SAFETY: as above; the host could not move it in one piece (it spans several of
                // its own mappings), so the bytes are copied.
                unsafe { std::ptr::copy_nonoverlapping(old, new, length as usize) };
            }
            done += length;
        }
        Ok(())
    }
}
