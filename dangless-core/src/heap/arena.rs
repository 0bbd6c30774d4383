//! Memory for the heap's own records: chunk records, bitmaps, ledgers, page tables.
//!
//! Pieces come in two sizes per doubling and go back to a list of their size; the blocks they are
//! cut from are never given back, so a record that was reached once can always be read.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use super::blocks::Blocks;
use super::lock::SpinLock;
use super::machine::Machine;
use crate::address::{GuestPhysical, LARGE_PAGE_SIZE, PAGE_SIZE};

/// Smallest piece, and the alignment of all of them.
const SMALLEST: u64 = 64;
/// Sizes of pieces: 64, 96, 128, 192 and so on up to 512 KiB.
const SIZES: usize = 27;

struct Pieces {
    /// What is left of the block being cut up: never used, so zero.
    at: u64,
    end: u64,
    /// Heads of the lists of free pieces, as address + 1, 0 for none.
    free: [u64; SIZES],
}

/// The allocator.
pub struct Arena {
    pieces: SpinLock<Pieces>,
}

/// Number of the smallest size that holds `bytes`, and that size.
const fn size_for(bytes: u64) -> (usize, u64) {
    let mut number = 0;
    let mut size = SMALLEST;
    while size < bytes {
        number += 1;
        size = if number % 2 == 1 {
            size / 2 * 3
        } else {
            size / 3 * 4
        };
    }
    (number, size)
}

impl Arena {
    /// An arena that holds nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            pieces: SpinLock::new(Pieces {
                at: 0,
                end: 0,
                free: [0; SIZES],
            }),
        }
    }

    /// A zeroed piece of `bytes`, at most 512 KiB, 64-byte aligned (page-aligned if a page long).
    pub fn allocate(
        &self,
        machine: &impl Machine,
        blocks: &Blocks,
        bytes: u64,
    ) -> Option<GuestPhysical> {
        let (number, size) = size_for(bytes);
        let mut pieces = self.pieces.lock();
        let head = *pieces.free.get(number)?;
        if head != 0 {
            let at = GuestPhysical(head - 1);
            pieces.free[number] = link(machine, at).load(Ordering::Relaxed);
            drop(pieces);
            // SAFETY: the piece was free, so nobody else uses its `size` bytes.
            unsafe { machine.direct(at).write_bytes(0, size as usize) };
            return Some(at);
        }
        let align = if size % PAGE_SIZE == 0 {
            PAGE_SIZE
        } else {
            SMALLEST
        };
        let mut at = GuestPhysical(pieces.at).align_up(align);
        if at.0 + size > pieces.end {
            let run = blocks.take(machine, 1)?;
            if !run.zero {
                // SAFETY: the block was handed out to this arena alone.
                unsafe {
                    machine
                        .direct(run.start)
                        .write_bytes(0, LARGE_PAGE_SIZE as usize)
                };
            }
            pieces.keep_rest(machine);
            at = run.start;
            pieces.end = at.0 + LARGE_PAGE_SIZE;
        }
        pieces.at = at.0 + size;
        Some(at)
    }

    /// Takes a piece of `bytes` back.
    pub fn give(&self, machine: &impl Machine, at: GuestPhysical, bytes: u64) {
        let (number, _) = size_for(bytes);
        self.pieces.lock().push(machine, number, at);
    }
}

impl Pieces {
    /// Puts whole pages that are left of the old block on the list of pages.
    fn keep_rest(&mut self, machine: &impl Machine) {
        let (number, size) = size_for(PAGE_SIZE);
        let mut at = GuestPhysical(self.at).align_up(PAGE_SIZE);
        while at.0 + size <= self.end {
            self.push(machine, number, at);
            at = at.add(size);
        }
    }

    fn push(&mut self, machine: &impl Machine, number: usize, at: GuestPhysical) {
        if let Some(head) = self.free.get_mut(number) {
            link(machine, at).store(*head, Ordering::Relaxed);
            *head = at.0 + 1;
        }
    }
}

/// The word of a free piece that holds the list's next one.
fn link(machine: &impl Machine, at: GuestPhysical) -> &AtomicU64 {
    // SAFETY: the piece is free metadata memory, aligned, and stays mapped with the machine.
    unsafe { AtomicU64::from_ptr(machine.direct(at).cast()) }
}

/// The piece at `at` in the direct map.
pub fn pointer<T>(machine: &impl Machine, at: GuestPhysical) -> Option<NonNull<T>> {
    NonNull::new(machine.direct(at).cast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_go_in_two_steps_per_doubling() {
        let sizes = [1, 64, 65, 96, 97, 128, 129, 3072, 4096, 4097, 6145].map(|b| size_for(b).1);
        assert_eq!(
            sizes,
            [64, 64, 96, 96, 128, 128, 192, 3072, 4096, 6144, 8192]
        );
        assert_eq!(size_for(512 << 10), (SIZES - 1, 512 << 10));
    }
}
