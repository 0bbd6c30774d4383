//! Translation: from the program's addresses to host memory.
//!
//! Application memory is found by its areas, so that memory whose page-table entries are still to
//! be made counts as mapped; the heap is found by the runtime's page tables, which are untrusted:
//! only memory granted to the runtime, or of the program's own mappings, is followed.

use super::physical::Use;
use super::space::{Space, State};
use super::user::{self, Access, Fault, HostSlice, UserMemory};
use super::vma::Backing;
use crate::process::picture::{Behind, Mapping};
use dangless_core::abi::layout;
use dangless_core::address::{GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};
use dangless_core::heap::picture::{self, Picture};
use std::ops::Range;

impl Space {
    /// Host memory behind application memory, for `madvise` and `msync`: only what was ever backed.
    #[must_use]
    pub fn host_ranges(&self, range: &Range<u64>) -> Vec<(*mut u8, u64)> {
        let state = self.lock();
        let mut found = Vec::new();
        for (part, _) in state.areas.within(range.clone()) {
            for (physical, length) in Self::pieces_where_present(&state, &part) {
                if let Some(host) = self.physical.host(physical, length) {
                    found.push((host, length));
                }
            }
        }
        found
    }

    /// Everything that is mapped, and where it lies on the host.
    #[must_use]
    pub fn survey(&self) -> Vec<Mapping> {
        let state = self.lock();
        state
            .areas
            .iter()
            .map(|(range, area)| {
                let behind = match area.backing {
                    Backing::Anonymous => Behind::Memory,
                    Backing::Host { .. } => Behind::Host,
                    Backing::Attached(_) => Behind::Clock,
                };
                let pieces = if behind == Behind::Clock {
                    Vec::new()
                } else {
                    Self::pieces_where_present(&state, &range)
                };
                let host = |(at, length)| Some((self.physical.host(at, length)? as u64, length));
                Mapping {
                    pieces: pieces.into_iter().filter_map(host).collect(),
                    range,
                    protection: area.protection,
                    behind,
                }
            })
            .collect()
    }

    /// Writes `bytes` whatever the protection is: for changing code before the program runs.
    ///
    /// # Errors
    /// When nothing is mapped there.
    pub fn write_code(&self, at: GuestVirtual, bytes: &[u8]) -> Result<(), Fault> {
        let mut done = 0;
        for slice in self.slices(at, bytes.len() as u64, Access::Read)? {
            let part = bytes
                .get(done..done + slice.length)
                .ok_or(Fault::Unmapped(at))?;
            user::copy_in(slice, part).ok_or(Fault::Unmapped(at))?;
            done += slice.length;
        }
        Ok(())
    }

    /// One contiguous piece of application memory from `at`, at most `length` bytes.
    fn application(
        &self,
        state: &mut State,
        at: u64,
        length: u64,
        access: Access,
    ) -> Result<HostSlice, Fault> {
        let unmapped = Fault::Unmapped(GuestVirtual(at));
        let (range, area) = state.areas.find(at).ok_or(unmapped)?;
        let right = match access {
            Access::Read => libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
            Access::Write => libc::PROT_WRITE,
        };
        if area.protection & right == 0 || matches!(area.backing, Backing::Attached(_)) {
            return Err(unmapped);
        }
        let piece_end = (at / LARGE_PAGE_SIZE + 1) * LARGE_PAGE_SIZE;
        let end = range.end.min(piece_end).min(at.saturating_add(length));
        self.back(state, &(at..end)).map_err(|_| unmapped)?;
        let granule = state
            .granules
            .get(&(at / LARGE_PAGE_SIZE))
            .ok_or(unmapped)?;
        let physical = granule.block.add(at % LARGE_PAGE_SIZE);
        let pointer = self.physical.host(physical, end - at).ok_or(unmapped)?;
        Ok(HostSlice {
            pointer,
            length: (end - at) as usize,
            may_fault: area.backing != Backing::Anonymous,
        })
    }

    /// How many of the `length` bytes from `at`, in one window, come before a freed object that may still
    /// be waiting for its revocation; `None` if `at` lies in one.
    fn not_freed(&self, at: u64, length: u64) -> Option<u64> {
        let Some(picture) = self.picture(at) else {
            return Some(length);
        };
        let page = |at: u64| (at % LARGE_PAGE_SIZE / PAGE_SIZE) as u32;
        let last = at + length.saturating_sub(1);
        match picture.first_freed(page(at), page(last)) {
            None => Some(length),
            Some(freed) if freed == page(at) => None,
            Some(freed) => Some(u64::from(freed) * PAGE_SIZE - at % LARGE_PAGE_SIZE),
        }
    }

    /// What the record of the window at `at` says.
    fn picture(&self, at: u64) -> Option<Picture> {
        let start = layout::ALIAS_BASE;
        let record = picture::record_of(GuestVirtual(at), start, layout::WINDOW_TABLE)?;
        let found = self.mapper().translate(record)?;
        let length = picture::SIZE as u64;
        if !self.physical.is_all(found.physical, length, Use::Runtime) {
            return None;
        }
        let pointer = self.physical.host(found.physical, length)?;
        let mut bytes = [0; picture::SIZE];
        let slice = HostSlice {
            pointer,
            length: picture::SIZE,
            may_fault: false,
        };
        user::copy_out(slice, &mut bytes)?;
        Picture::new(&bytes)
    }

    /// One contiguous piece of the alias region from `at`, by the runtime's page tables.
    fn alias(&self, at: u64, length: u64, access: Access) -> Result<HostSlice, Fault> {
        let revoked = Fault::Revoked(GuestVirtual(at));
        let found = self.mapper().translate(GuestVirtual(at)).ok_or(revoked)?;
        if access == Access::Write && !found.flags.write {
            return Err(Fault::Unmapped(GuestVirtual(at)));
        }
        let size = found.page_size.clamp(PAGE_SIZE, LARGE_PAGE_SIZE);
        let here = self
            .not_freed(at, (size - at % size).min(length))
            .ok_or(revoked)?;
        // A forged entry may point anywhere: only memory granted to the runtime is heap, and the
        // program's own, where its malloc lends blocks; that may be a file that has got shorter.
        let may_fault = !self.physical.is_all(found.physical, here, Use::Granted);
        if may_fault && !self.physical.is_all(found.physical, here, Use::Application) {
            return Err(Fault::Unmapped(GuestVirtual(at)));
        }
        let pointer = self
            .physical
            .host(found.physical, here)
            .ok_or(Fault::Unmapped(GuestVirtual(at)))?;
        Ok(HostSlice {
            pointer,
            length: here as usize,
            may_fault,
        })
    }
}

impl UserMemory for Space {
    fn slices(
        &self,
        at: GuestVirtual,
        length: u64,
        access: Access,
    ) -> Result<Vec<HostSlice>, Fault> {
        let end = at.0.checked_add(length).ok_or(Fault::Unmapped(at))?;
        let mut slices: Vec<HostSlice> = Vec::new();
        let mut cursor = at.0;
        let mut state = self.lock();
        while cursor < end {
            let slice = if layout::is_alias(cursor) {
                self.alias(cursor, end - cursor, access)?
            } else {
                self.application(&mut state, cursor, end - cursor, access)?
            };
            cursor += slice.length as u64;
            match slices.last_mut() {
                Some(last)
                    if last.pointer.wrapping_add(last.length) == slice.pointer
                        && last.may_fault == slice.may_fault =>
                {
                    last.length += slice.length;
                }
                _ => slices.push(slice),
            }
        }
        Ok(slices)
    }
}
