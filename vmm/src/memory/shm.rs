//! System V shared memory in the program's address space.
//!
//! A segment is attached to the host mirror of its addresses as one host mapping, so its guest
//! memory has to be in one piece. Afterwards it is an area like any file mapping; what is remembered
//! is only where `shmdt` finds its end, until any part of it is unmapped otherwise.

use super::space::Space;
use super::vma::{Area, Backing};
use crate::process::Errno;
use dangless_core::address::LARGE_PAGE_SIZE;
use std::ops::Range;

impl Space {
    /// A free range for a segment of `length` bytes: its guest memory can be in one piece.
    #[must_use]
    pub fn find_for_segment(&self, length: u64) -> Option<u64> {
        let room = length.checked_next_multiple_of(LARGE_PAGE_SIZE)?;
        let start = self.find_free(0, room.checked_add(LARGE_PAGE_SIZE)?, 0)?;
        Some(start.next_multiple_of(LARGE_PAGE_SIZE))
    }

    /// Attaches segment `id`, which is as long as `range`, where nothing is mapped.
    ///
    /// # Errors
    /// What the host's `shmat` says; ENOMEM when guest memory is used up or in pieces there.
    pub fn attach_segment(&self, range: Range<u64>, id: i32, protection: i32) -> Result<(), Errno> {
        let mut state = self.lock();
        self.back(&mut state, &range)
            .map_err(|_| Errno(libc::ENOMEM))?;
        let attached = match Self::pieces(&state, &range).as_slice() {
            [(physical, length)] => self.physical.host(*physical, *length),
            _ => None,
        };
        let write = protection & libc::PROT_WRITE != 0;
        let flags = libc::SHM_REMAP | if write { 0 } else { libc::SHM_RDONLY };
        let result = match attached {
            None => Err(Errno(libc::ENOMEM)),
            Some(host) => {
                // SAFETY: replaces a piece of the reservation that belongs to this range of the
                // guest, where nothing is mapped, by a segment of that length.
                let at = unsafe { libc::shmat(id, host.cast(), flags) };
                if at as isize == -1 {
                    let error = std::io::Error::last_os_error();
                    Err(Errno(error.raw_os_error().unwrap_or(libc::ENOMEM)))
                } else {
                    Ok(())
                }
            }
        };
        if let Err(error) = result {
            self.free_empty(&mut state, &range);
            return Err(error);
        }
        let backing = Backing::Host {
            may_write: write,
            shared: true,
        };
        let area = Area::new(protection, backing);
        self.note_shared(area);
        state.areas.insert(range.clone(), area);
        state.segments.insert(range.start, range.end);
        Ok(())
    }

    /// The range of the segment that was attached at `at`, if it is still there.
    #[must_use]
    pub fn segment(&self, at: u64) -> Option<Range<u64>> {
        let state = self.lock();
        state.segments.get(&at).map(|&end| at..end)
    }
}
