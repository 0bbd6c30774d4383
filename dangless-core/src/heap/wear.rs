//! Giving up columns, and whole sessions, before they are used up.
//!
//! Under shadow paging a split window costs a fault for every page of it that is used afterwards,
//! and closing one costs a single store. So where no object of a window is live that was handed
//! out, the front lets go of the rest of the column: the window can then be closed, and the slots
//! that were not handed out are free again.

use core::sync::atomic::Ordering;

use super::chunk::Chunk;
use super::class::{column_of_order, Class, CLASSES};
use super::front::Front;
use super::handle::Handle;
use super::machine::Machine;
use super::space::{Heap, Space};
use super::window::{Use, Window};

/// Objects that are still to be handed out from a window which is about to be split: so many cost more
/// faults than a new window.
const LEFT: u32 = 128;

impl<M: Machine> Space<M> {
    /// Lets go of the window's column, if one of this thread's fronts hands it out and none of its
    /// objects is live: the window is wholly free then, and its next edit closes it. So it does where the
    /// next edit revokes at least `many` objects, and many more are still to be handed out.
    pub(super) fn spare_split(&self, heap: &mut Heap, window: Handle<Window>, many: u32) {
        // Addresses of columns that are let go of are lost.
        if self.are_windows_scarce() {
            return;
        }
        let number = usize::from(window.class.load(Ordering::Relaxed));
        let Some(front) = heap.fronts.get_mut(number) else {
            return;
        };
        let column = column_of_order(window.key.load(Ordering::Relaxed));
        let Some(chunk) = front.serves(window, column) else {
            return;
        };
        let first = front.first_unused(chunk, column);
        let unused: u32 = unused(window, first).iter().map(ones).sum();
        let is_dead = window.live_count() == unused;
        let waiting = window.pending().iter().map(ones).sum::<u32>();
        if unused == 0 || !is_dead && (waiting < many || unused < LEFT) {
            return;
        }
        front.drop_column(chunk, column);
        front.spared |= is_dead;
        // The window is about to be edited, which closes it.
        let _ = self.trim(window, chunk, number, first);
        if front.is_worn() {
            self.abandon(front, chunk, number);
        }
    }

    /// Ends the leases of this thread in which nothing is live and at least one in `share` of the
    /// chunk's objects was handed out: one store revokes all their objects, where edits would take the
    /// lease apart. What was not handed out loses its addresses.
    /// Answers how many objects these are.
    pub(super) fn renew_leases(&self, heap: &mut Heap, share: u32) -> u32 {
        let mut all = 0;
        for number in 0..CLASSES {
            let front = &mut heap.fronts[number];
            let (Some(first), Some(chunk)) =
                (self.lease_start(front, self.class(number)), front.chunk)
            else {
                continue;
            };
            let class = self.class(number);
            let gone = self.gone_in_lease(front, chunk, class, first);
            if let Some(gone @ 1..) = gone.filter(|&gone| gone >= class.objects / share) {
                all += gone;
                self.abandon(front, chunk, number);
                self.end_session(front);
                self.end_lease(heap, number);
                heap.fronts[number].is_calm = true;
            }
        }
        all
    }

    /// How many objects of the lease, whose first window is `first`, were handed out and freed;
    /// `None` if some are live.
    fn gone_in_lease(
        &self,
        front: &Front,
        chunk: Handle<Chunk>,
        class: &Class,
        first: u64,
    ) -> Option<u32> {
        let mut gone = 0;
        for number in first..first + u64::from(class.columns) {
            let Some(window) = self.windows.opened(&self.machine, number) else {
                continue;
            };
            if window.used_as() != Use::Column {
                continue;
            }
            let column = column_of_order(window.key.load(Ordering::Relaxed));
            let unused: u32 = match front.serves(window, column) {
                Some(_) => {
                    let first = front.first_unused(chunk, column);
                    unused(window, first).iter().map(ones).sum()
                }
                None => 0,
            };
            if window.live_count() != unused {
                return None;
            }
            let served = window
                .served
                .iter()
                .map(|word| word.load(Ordering::Relaxed));
            gone += served.map(u64::count_ones).sum::<u32>() - unused;
        }
        Some(gone)
    }

    /// Gives up a session, whatever it has left.
    pub(super) fn abandon(&self, front: &mut Front, chunk: Handle<Chunk>, number: usize) {
        for (column, at) in front.columns() {
            let first = front.drop_column(chunk, column);
            if let Some(window) = self.windows.record(&self.machine, at) {
                if self.trim(window, chunk, number, first) {
                    self.queue.push(at, &window);
                }
            }
        }
    }

    /// Takes the window's objects from position `first` on, none of which was handed out, out of it
    /// and makes them free again; answers whether nothing is left that could be freed: the caller
    /// then sees the window closed.
    fn trim(
        &self,
        window: Handle<Window>,
        chunk: Handle<Chunk>,
        number: usize,
        first: u32,
    ) -> bool {
        // Nobody may look for freed objects between the two stores.
        let edits = window.edit();
        self.take_margin(window);
        let unused = unused(window, first);
        for (at, &bits) in unused.iter().enumerate() {
            window.served[at].fetch_and(!bits, Ordering::AcqRel);
            window.live[at].fetch_and(!bits, Ordering::AcqRel);
        }
        let count: u32 = unused.iter().map(ones).sum();
        let left = window.count_out(count);
        drop(edits);
        let column = u32::from(window.column.load(Ordering::Relaxed));
        let returned = chunk.put_free(self.class(number), column, &unused);
        chunk.free_count.fetch_add(returned, Ordering::SeqCst);
        count > 0 && left == 0
    }
}

fn ones(word: &u64) -> u32 {
    word.count_ones()
}

/// The window's objects from position `first` on.
fn unused(window: Handle<Window>, first: u32) -> [u64; 8] {
    core::array::from_fn(|at| {
        let below = first.saturating_sub(at as u32 * 64);
        let mask = u64::MAX.checked_shl(below).unwrap_or(0);
        window.served[at].load(Ordering::Relaxed) & mask
    })
}
