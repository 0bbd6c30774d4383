//! A copy of program memory for the host kernel to work on.
//!
//! The copy sits at the same offset in a page as the original, so that calls that ask for
//! alignment (direct input and output) see what they would have seen.

use crate::memory::user::{Fault, UserMemory};
use dangless_core::address::{GuestVirtual, PAGE_SIZE};

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Page([u8; PAGE_SIZE as usize]);

/// The largest copy ever made.
pub const LARGEST: u64 = 16 << 20;

/// A copy of program memory.
pub struct Bounce {
    pages: Vec<Page>,
    at: GuestVirtual,
    length: usize,
}

impl Bounce {
    /// Room for a copy of `[at, at + length)`, zeroed; `length` is at most [`LARGEST`].
    #[must_use]
    pub fn new(at: u64, length: u64) -> Self {
        let at = GuestVirtual(at);
        let length = length.min(LARGEST);
        let pages = (at.offset_in(PAGE_SIZE) + length)
            .div_ceil(PAGE_SIZE)
            .max(1) as usize;
        Self {
            pages: vec![Page([0; PAGE_SIZE as usize]); pages],
            at,
            length: length as usize,
        }
    }

    /// The copy's address on the host.
    pub fn pointer(&mut self) -> *mut u8 {
        self.bytes().as_mut_ptr()
    }

    /// Bytes in the copy.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// The copy.
    pub fn bytes(&mut self) -> &mut [u8] {
        let offset = self.at.offset_in(PAGE_SIZE) as usize;
        let pages = self.pages.as_mut_ptr().cast::<u8>();
        // SAFETY: `new` allocated enough pages for offset and length, and they are plain bytes.
        unsafe { std::slice::from_raw_parts_mut(pages.add(offset), self.length) }
    }

    /// Fills the copy from the original.
    ///
    /// # Errors
    /// The first address that cannot be read.
    pub fn gather(&mut self, memory: &dyn UserMemory) -> Result<(), Fault> {
        let at = self.at;
        memory.read(at, self.bytes())
    }

    /// Writes the first `filled` bytes back to the original.
    ///
    /// # Errors
    /// The first address that cannot be written.
    pub fn scatter(&mut self, memory: &dyn UserMemory, filled: usize) -> Result<(), Fault> {
        let at = self.at;
        let filled = filled.min(self.length);
        memory.write(at, &self.bytes()[..filled])
    }

    /// As [`scatter`](Self::scatter) of all, if anything is not as it stands in the original, which
    /// may be read only.
    ///
    /// # Errors
    /// The first address that cannot be written.
    pub fn scatter_changes(&mut self, memory: &dyn UserMemory) -> Result<(), Fault> {
        let mut now = vec![0; self.length];
        if memory.read(self.at, &mut now).is_ok() && now == self.bytes() {
            return Ok(());
        }
        self.scatter(memory, self.length)
    }
}
