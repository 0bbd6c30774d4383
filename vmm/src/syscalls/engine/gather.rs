//! Buffers of the program as a list for the host's vectored calls.
//!
//! A buffer that is contiguous on the host stays one element. One that is not becomes a copy while
//! it is small, so that calls that treat each element as a message see the elements the program
//! passed, and a run of its pieces when it is large. Memory where nothing is mapped becomes an
//! element that faults, so that the kernel moves what comes before it, as it does on bare Linux.

use super::bounce::Bounce;
use super::host;
use crate::memory::user::{Access, Fault, UserMemory};
use dangless_core::address::GuestVirtual;

/// Elements that the kernel takes in one call.
pub const MOST_ELEMENTS: usize = 1024;
/// Buffers up to this size are copied when they are not contiguous.
const COPIED: u64 = 64 << 10;

/// One buffer of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its address.
    pub at: u64,
    /// Bytes.
    pub length: u64,
}

/// A list of buffers in the host's terms.
#[derive(Default)]
pub struct Gather {
    elements: Vec<libc::iovec>,
    /// Copies, and where their bytes stand in the whole if they are to be written back.
    copies: Vec<(Option<u64>, Bounce)>,
    total: u64,
    cut: bool,
}

impl Gather {
    /// The list of the program's buffers, past their first `skip` bytes.
    ///
    /// # Errors
    /// The first freed address in them.
    pub fn new(
        memory: &dyn UserMemory,
        segments: &[Segment],
        mut skip: u64,
        access: Access,
    ) -> Result<Self, Fault> {
        let mut gather = Self::default();
        for segment in segments {
            let passed = skip.min(segment.length);
            skip -= passed;
            if passed == segment.length && passed > 0 {
                continue;
            }
            let at = segment.at.wrapping_add(passed);
            gather.add(memory, at, segment.length - passed, access)?;
            if gather.cut {
                break;
            }
        }
        Ok(gather)
    }

    /// Host elements.
    #[must_use]
    pub fn elements(&self) -> &[libc::iovec] {
        &self.elements
    }

    /// Bytes in the list.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Whether the program's buffers went on after the list was full.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Writes the copies back as far as the first `moved` bytes reach.
    ///
    /// # Errors
    /// The first address that cannot be written.
    pub fn scatter(&mut self, memory: &dyn UserMemory, moved: u64) -> Result<(), Fault> {
        for (start, copy) in &mut self.copies {
            let filled = start.map_or(0, |start| moved.saturating_sub(start));
            if filled > 0 {
                copy.scatter(memory, filled.min(copy.length() as u64) as usize)?;
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        memory: &dyn UserMemory,
        at: u64,
        length: u64,
        access: Access,
    ) -> Result<(), Fault> {
        if length == 0 {
            self.push(host::absent(at, 0), 0);
            return Ok(());
        }
        match host::slices(memory, at, length, access) {
            Ok(slices) => {
                if slices.len() > 1 && length <= COPIED {
                    return self.copy(memory, at, length, access);
                }
                for slice in slices {
                    self.push(slice.pointer as u64, slice.length as u64);
                }
                Ok(())
            }
            Err(Fault::Unmapped(hole)) => {
                let usable = hole.0.wrapping_sub(at);
                if usable > 0 && usable < length {
                    for slice in memory.slices(GuestVirtual(at), usable, access)? {
                        self.push(slice.pointer as u64, slice.length as u64);
                    }
                    self.push(host::absent(hole.0, length - usable), length - usable);
                } else {
                    self.push(host::absent(at, length), length);
                }
                Ok(())
            }
            Err(revoked) => Err(revoked),
        }
    }

    fn copy(
        &mut self,
        memory: &dyn UserMemory,
        at: u64,
        length: u64,
        access: Access,
    ) -> Result<(), Fault> {
        let mut copy = Bounce::new(at, length);
        if access == Access::Read {
            copy.gather(memory)?;
        }
        let start = (access == Access::Write).then_some(self.total);
        self.push(copy.pointer() as u64, length);
        self.copies.push((start, copy));
        Ok(())
    }

    fn push(&mut self, pointer: u64, length: u64) {
        if self.cut {
            return;
        }
        if self.elements.len() == MOST_ELEMENTS {
            self.cut = true;
            return;
        }
        self.elements.push(libc::iovec {
            iov_base: pointer as *mut libc::c_void,
            iov_len: length as usize,
        });
        self.total = self.total.saturating_add(length);
    }
}

/// Cuts the buffers off where Linux stops moving bytes in one call.
///
/// `None` if a length is negative, which Linux refuses.
#[must_use]
pub fn limited(mut segments: Vec<Segment>) -> Option<Vec<Segment>> {
    let mut left = host::MOST_MOVED;
    for segment in &mut segments {
        i64::try_from(segment.length).ok()?;
        segment.length = segment.length.min(left);
        left -= segment.length;
    }
    Some(segments)
}
