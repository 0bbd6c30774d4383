//! Where the runtime's assembly finds what it needs to hand out and to free an object quickly.
//!
//! The runtime has [`Space::allocate_quickly`] and [`Space::free_quickly`] in assembly, for the
//! cases that nearly every call is: the next object of a run, and an object of a window with a
//! margin, freed by the only thread. The order is the same there. All else is left to this crate.
//!
//! [`Space::allocate_quickly`]: super::Space::allocate_quickly
//! [`Space::free_quickly`]: super::Space::free_quickly

use core::mem::offset_of;
use core::ptr::NonNull;

use super::chunk::Chunk;
use super::class::{small_number_for, POSITION_SHIFT};
use super::front::Front;
use super::machine::Machine;
use super::space::{Heap, Space};
use super::window::{Window, NOT_QUICK, RECORD_SIZE};
use crate::abi::area::{Quick, STEPS};
use crate::address::{LARGE_PAGE_SIZE, PAGE_SIZE};

/// In a front: objects of the run that are left.
pub const LEFT: usize = offset_of!(Front, left);
/// In a front: the address of the next one.
pub const NEXT: usize = offset_of!(Front, next);
/// In a front: from there to the one after it.
pub const STEP: usize = offset_of!(Front, step);
/// In a front: what an object adds to the chunk's cursor.
pub const CURSOR_STEP: usize = offset_of!(Front, cursor_step);
/// In a front: the chunk.
pub const CHUNK: usize = offset_of!(Front, chunk);
/// In a chunk: the cursor.
pub const CURSOR: usize = offset_of!(Chunk, cursor);
/// In a window's record: where on a page its objects start.
pub const OFFSET: usize = offset_of!(Window, offset);
/// In a window's record: the bits of live objects.
pub const LIVE: usize = offset_of!(Window, live);
/// In a window's record: what the cursor is compared with for the object at position 0.
pub const KEY: usize = offset_of!(Window, key);
/// In a window's record: the chunk.
pub const OWNER: usize = Window::OWNER;
/// In a window's record: objects that may be freed quickly (16 bits).
pub const MARGIN: usize = offset_of!(Window, margin);
/// Largest object that is handed out quickly.
pub const LARGEST: u64 = PAGE_SIZE;
/// From the address of an object to its window's record: bits to shift to the right by, before what
/// [`RECORD_MASK`] leaves.
pub const RECORD_SHIFT: u32 = LARGE_PAGE_SIZE.ilog2() - RECORD_SIZE.ilog2();
/// See [`RECORD_SHIFT`].
pub const RECORD_MASK: i32 = -(RECORD_SIZE as i32);
/// Bits that have to be clear in an address within its window, less the window's offset.
pub const MISPLACED: u32 = NOT_QUICK | (PAGE_SIZE as u32 - 1);
/// From there to the position as a cursor has it: bits to shift to the left by.
pub const TO_CURSOR: u32 = POSITION_SHIFT - PAGE_SIZE.ilog2();

impl<M: Machine> Space<M> {
    /// What the runtime's assembly goes by for a thread with this heap; `nothing` is a front's place
    /// that is zero, for what is not to be handed out quickly. To be asked for again after a second
    /// thread has started, by the first one.
    ///
    /// # Safety
    /// The heap is from [`Self::thread_start`].
    #[must_use]
    pub unsafe fn quick(&self, heap: NonNull<Heap>, nothing: u64) -> Quick {
        let (start, bytes) = self.quick_range();
        let mut quick = Quick {
            start: start.0,
            bytes,
            records: self.machine.window_records() as u64,
            fronts: [nothing; STEPS],
        };
        if self.is_plain() {
            for (step, front) in (0..).zip(&mut quick.fronts) {
                if let Some(number) = small_number_for(step * 16) {
                    // SAFETY: the caller vouches for the heap; the front is not touched.
                    *front = unsafe { &raw const (*heap.as_ptr()).fronts[number] } as u64;
                }
            }
        }
        quick
    }
}
