//! Where the runtime's assembly finds what it needs to hand out and to free an object quickly.
//!
//! The runtime has [`Space::allocate_quickly`] and [`Space::free_quickly`] in assembly, for the
//! cases that nearly every call is: the next object of a run, and an object of a window with a
//! margin, freed by the only thread. The order is the same there. All else is left to this crate.
//!
//! [`Space::allocate_quickly`]: super::Space::allocate_quickly
//! [`Space::free_quickly`]: super::Space::free_quickly

use core::mem::offset_of;

use super::chunk::Chunk;
use super::class::{small_number_for, CLASSES, POSITION_SHIFT};
use super::front::Front;
use super::space::Heap;
use super::window::{Window, NOT_QUICK, RECORD_SIZE};
use crate::address::{LARGE_PAGE_SIZE, PAGE_SIZE};

/// In a heap: for each size in steps of 16 bytes, where in the heap its front lies (32 bits each).
pub const STEPS: usize = offset_of!(Heap, steps);
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

/// The table at [`STEPS`]: the fronts of the sizes' classes, or where nothing is handed out quickly.
pub(super) const fn steps(quick: bool) -> [u32; LARGEST as usize / 16 + 1] {
    let mut steps = [offset_of!(Heap, nothing) as u32; LARGEST as usize / 16 + 1];
    let mut step = 0;
    while quick && step < steps.len() {
        if let Some(number) = small_number_for(step as u64 * 16) {
            assert!(number < CLASSES);
            steps[step] =
                (offset_of!(Heap, fronts) + number * core::mem::size_of::<Front>()) as u32;
        }
        step += 1;
    }
    steps
}
