//! Giving up columns, and whole fronts, before they are used up.
//!
//! Under shadow paging a split window costs a fault for every page of it that is used afterwards,
//! and closing one costs a single store. So where no object of a window is live that was handed
//! out, the front lets go of the rest of the column: the window can then be closed, and the slots
//! that were not handed out come again, under new addresses, in the chunk's next generation.

use core::sync::atomic::Ordering;

use super::chunk::Chunk;
use super::class::Class;
use super::front::Front;
use super::handle::Handle;
use super::machine::Machine;
use super::space::{Heap, Space};
use super::window::Window;

impl<M: Machine> Space<M> {
    /// Lets go of the window's column, if one of this thread's fronts hands it out and none of its
    /// objects is live: the window is wholly free then, and its next edit closes it.
    pub(super) fn spare_split(&self, heap: &mut Heap, window: Handle<Window>) {
        // Addresses of columns that are let go of are lost.
        if self.are_windows_scarce() {
            return;
        }
        let number = usize::from(window.class.load(Ordering::Relaxed));
        let Some(front) = heap.fronts.get_mut(number) else {
            return;
        };
        let column = u32::from(window.column.load(Ordering::Relaxed));
        let Some(chunk) = front.serves(window, column) else {
            return;
        };
        let class = self.class(number);
        let first = first_unused(class, chunk, column);
        let unused: u32 = unused(window, first).iter().map(ones).sum();
        if unused == 0 || window.unfreed.load(Ordering::Acquire) != unused {
            return;
        }
        front.drop_column(class, chunk, column);
        // The window is about to be edited, which closes it.
        let _ = trim(window, first);
        if front.is_worn() {
            self.abandon(front, chunk, number);
        }
    }

    /// Gives up a front, whatever it has left.
    pub(super) fn abandon(&self, front: &mut Front, chunk: Handle<Chunk>, number: usize) {
        let class = self.class(number);
        for column in 0..class.columns {
            if !front.has_open(column) {
                continue;
            }
            front.drop_column(class, chunk, column);
            let Some(at) = front.window(class, column) else {
                continue;
            };
            if let Some(window) = self.windows.record(&self.machine, at) {
                if trim(window, first_unused(class, chunk, column)) {
                    self.queue.push(at, &window);
                }
            }
        }
        self.retire(front, chunk, number);
    }
}

fn ones(word: &u64) -> u32 {
    word.count_ones()
}

/// The first position of the column that the chunk's cursor has not passed.
fn first_unused(class: &Class, chunk: Handle<Chunk>, column: u32) -> u32 {
    let cursor = chunk.cursor.load(Ordering::Relaxed) as u32;
    let group = class.group_of_column(column);
    group.positions_below(cursor, column)
}

/// The window's objects from position `first` on.
fn unused(window: Handle<Window>, first: u32) -> [u64; 8] {
    core::array::from_fn(|at| {
        let below = first.saturating_sub(at as u32 * 64);
        let mask = u64::MAX.checked_shl(below).unwrap_or(0);
        window.served[at].load(Ordering::Relaxed) & mask
    })
}

/// Takes the window's objects from position `first` on, none of which was handed out, out of it;
/// answers whether nothing is left that could be freed: the caller then sees it closed.
fn trim(window: Handle<Window>, first: u32) -> bool {
    // Nobody may look for freed objects between the two stores.
    let _edits = window.edit();
    let unused = unused(window, first);
    for (at, &bits) in unused.iter().enumerate() {
        window.served[at].fetch_and(!bits, Ordering::AcqRel);
        window.live[at].fetch_and(!bits, Ordering::AcqRel);
    }
    let count = unused.iter().map(ones).sum();
    count > 0 && window.unfreed.fetch_sub(count, Ordering::AcqRel) == count
}
