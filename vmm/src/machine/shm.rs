//! `shmat` and `shmdt`, for a thread of the program.

use super::thread::Thread;
use crate::process::Errno;
use dangless_core::abi::layout;
use dangless_core::address::PAGE_SIZE;

impl Thread {
    /// Attaches segment `id` of `length` bytes; the address.
    pub(super) fn attach_memory(
        &mut self,
        id: i32,
        length: u64,
        at: u64,
        flags: i32,
    ) -> Result<u64, Errno> {
        let length = length
            .checked_next_multiple_of(PAGE_SIZE)
            .filter(|&length| length > 0)
            .ok_or(Errno(libc::EINVAL))?;
        let replaces = flags & libc::SHM_REMAP != 0;
        let start = if at == 0 {
            if replaces {
                return Err(Errno(libc::EINVAL));
            }
            let space = &self.program.space;
            space.find_for_segment(length).ok_or(Errno(libc::ENOMEM))?
        } else if flags & libc::SHM_RND != 0 {
            at - at % PAGE_SIZE
        } else {
            at
        };
        if start % PAGE_SIZE != 0 || !layout::is_application(start, length) {
            return Err(Errno(libc::EINVAL));
        }
        let range = start..start + length;
        if self.program.space.is_occupied(&range) {
            if !replaces {
                return Err(Errno(libc::EINVAL));
            }
            self.unmap_memory(start, length)?;
        }
        let mut protection = libc::PROT_READ;
        if flags & libc::SHM_RDONLY == 0 {
            protection |= libc::PROT_WRITE;
        }
        if flags & libc::SHM_EXEC != 0 {
            protection |= libc::PROT_EXEC;
        }
        self.program.space.attach_segment(range, id, protection)?;
        self.program
            .machine
            .extend_direct_map()
            .map_err(|_| Errno(libc::ENOMEM))?;
        Ok(start)
    }

    /// Detaches the segment at `at`.
    pub(super) fn detach_memory(&mut self, at: u64) -> Result<(), Errno> {
        let range = self.program.space.segment(at).ok_or(Errno(libc::EINVAL))?;
        self.unmap_memory(range.start, range.end - range.start)
    }
}
