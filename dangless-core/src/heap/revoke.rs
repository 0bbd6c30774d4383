//! Revocation: taking the addresses of freed objects away, and only then their memory back.
//!
//! The order is always the same: edit the window's page-table entries, flush, return the objects
//! to the chunk's free set. One edit takes in every object of the window that was freed and is not
//! revoked yet. Where edits or flushes are dear, windows with freed objects wait in a queue and
//! share them.

use core::sync::atomic::{AtomicU64, Ordering};

use super::chunk::Chunk;
use super::class::{self, Class};
use super::handle::Handle;
use super::machine::Machine;
use super::space::{Heap, Space};
use super::window::{bit_of, Window};
use crate::address::{GuestPhysical, GuestVirtual, PAGES_PER_LARGE, PAGE_SIZE};
use crate::paging::{Entry, Flush, Level, TableMemory};

/// Windows that share a flush.
pub const BATCH: usize = 16;
/// Most objects that wait in the queue.
const MOST_OBJECTS: u64 = 1 << 16;
/// Most bytes that wait in the queue.
const MOST_BYTES: u64 = 32 << 20;

/// Freed objects that one edit made unreachable.
#[derive(Clone, Copy)]
pub struct Edited {
    window: Handle<Window>,
    /// By position.
    objects: [u64; 8],
    /// The page table that the closed window leaves behind.
    table: Option<GuestPhysical>,
    closed: bool,
}

/// The windows that have freed objects waiting.
pub struct Queue {
    /// Number of the first window + 1, or 0.
    head: AtomicU64,
    objects: AtomicU64,
    bytes: AtomicU64,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            head: AtomicU64::new(0),
            objects: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Adds a window unless it is in the queue already.
    fn push(&self, number: u64, window: &Window) {
        if window.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            window.next.store(head as u32, Ordering::Relaxed);
            let swap = self.head.compare_exchange_weak(
                head,
                number + 1,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes the whole queue.
    fn detach(&self) -> u64 {
        self.objects.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        self.head.swap(0, Ordering::AcqRel)
    }

    /// Counts one more object; answers whether too much waits.
    fn is_full_with(&self, bytes: u64) -> bool {
        self.objects.fetch_add(1, Ordering::Relaxed) >= MOST_OBJECTS
            || self.bytes.fetch_add(bytes, Ordering::Relaxed) >= MOST_BYTES
    }
}

impl<M: Machine> Space<M> {
    /// Revokes an object that was just freed, now or later. `last` says that no other object of
    /// the window is left.
    #[inline]
    pub(super) fn revoke(
        &self,
        heap: &mut Heap,
        number: u64,
        window: Handle<Window>,
        size: u64,
        last: bool,
    ) {
        // A wholly free window is closed by one store, whatever the budget says.
        let now = if self.budget.is_unlimited() || last {
            return self.revoke_now(number, window);
        } else {
            self.machine.now()
        };
        if self.budget.allows(now) {
            self.revoke_now(number, window);
            self.budget.spend(self.machine.now().saturating_sub(now));
            return;
        }
        self.queue.push(number, &window);
        if self.queue.is_full_with(size) {
            self.drain(heap);
        }
    }

    /// Revokes every freed object of one window.
    fn revoke_now(&self, number: u64, window: Handle<Window>) {
        let (edited, flush) = self.edit(number, window);
        flush.redeem(&self.machine);
        self.return_objects(edited);
    }

    /// Whether freed objects wait for their revocation.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.queue.head.load(Ordering::Relaxed) != 0
    }

    /// Finishes every queued revocation.
    pub fn drain(&self, heap: &mut Heap) {
        let mut next = self.queue.detach();
        while next != 0 {
            let mut flush = Flush::empty();
            let mut used = 0;
            while let Some(place) = heap.batch.get_mut(used) {
                let Some(number) = next.checked_sub(1) else {
                    break;
                };
                let Some(window) = self.windows.record(&self.machine, number) else {
                    next = 0;
                    break;
                };
                next = u64::from(window.next.load(Ordering::Relaxed));
                // Objects freed from here on queue the window again.
                window.queued.swap(false, Ordering::AcqRel);
                let (edited, owed) = self.edit(number, window);
                flush = flush.merge(owed);
                *place = Some(edited);
                used += 1;
            }
            flush.redeem(&self.machine);
            for place in &mut heap.batch[..used] {
                if let Some(edited) = place.take() {
                    self.return_objects(edited);
                }
            }
        }
    }

    /// Edits the window's page-table entries so that no freed object is reachable after the flush.
    fn edit(&self, number: u64, window: Handle<Window>) -> (Edited, Flush) {
        let at = self.windows.address(number);
        let class = class::class(usize::from(window.class.load(Ordering::Relaxed)));
        let guard = window.edit();
        let mut edited = Edited {
            window,
            objects: window.pending(),
            table: None,
            closed: false,
        };
        let mut flush = pages_of(class, at, &edited.objects);
        if window.closed.load(Ordering::Relaxed) {
            // The closing thread may not have flushed yet, so this one does it as well.
        } else {
            // The tables exist since the window was opened.
            let Some(slot) = self.mapper().find_entry(at, Level::Directory) else {
                flush.waive();
                edited.objects = [0; 8];
                return (edited, Flush::empty());
            };
            let table = window.table.load(Ordering::Relaxed);
            if window.unfreed.load(Ordering::Acquire) == 0 {
                self.store(slot, Entry::ABSENT.bits());
                window.closed.store(true, Ordering::Relaxed);
                window.table.store(0, Ordering::Relaxed);
                edited.closed = true;
                edited.table = (table != 0).then_some(GuestPhysical(table));
                flush = self.directory_edit(flush);
            } else if table != 0 {
                for page in (0..PAGES_PER_LARGE).filter(|&page| lists(class, &edited.objects, page))
                {
                    self.store(GuestPhysical(table).add(page * 8), Entry::ABSENT.bits());
                }
            } else if let Some(new) = self.allocate_table() {
                let keep = |page| !lists(class, &edited.objects, page);
                self.mapper().split(slot, Level::Directory, new, keep);
                window.table.store(new.0, Ordering::Relaxed);
                flush = self.directory_edit(flush);
            } else {
                // No memory for the table: the objects stay out of use, and are tried again with
                // the next free in the window or the next drain.
                flush.waive();
                edited.objects = [0; 8];
                self.queue.push(number, &window);
                flush = Flush::empty();
            }
        }
        drop(guard);
        (edited, flush)
    }

    /// What is owed after a directory entry was changed.
    pub(super) fn directory_edit(&self, flush: Flush) -> Flush {
        if self.machine.directory_edits_are_immediate() {
            flush.waive();
            return Flush::empty();
        }
        flush
    }

    /// After the flush: returns the objects' memory and what a closed window leaves.
    fn return_objects(&self, edited: Edited) {
        let window = edited.window;
        let class = class::class(usize::from(window.class.load(Ordering::Relaxed)));
        let column = u32::from(window.column.load(Ordering::Relaxed));
        let Some(chunk) = window.chunk.get() else {
            return;
        };
        let mut count = 0;
        for (at, (&bits, revoked)) in edited.objects.iter().zip(&window.revoked).enumerate() {
            if bits == 0 {
                continue;
            }
            // Two edits may have taken in the same object: the first to get here returns it.
            let mut mine = bits & !revoked.fetch_or(bits, Ordering::AcqRel);
            count += mine.count_ones();
            while mine != 0 {
                let bit = class.bit(at as u32 * 64 + mine.trailing_zeros(), column);
                mine &= mine - 1;
                if let Some(word) = Chunk::word(class, &chunk.free, bit / 64) {
                    word.fetch_or(1 << (bit % 64), Ordering::AcqRel);
                }
            }
        }
        if let Some(table) = edited.table {
            self.give_table(table);
        }
        if count > 0 {
            chunk.free_count.fetch_add(count, Ordering::SeqCst);
        }
        if edited.closed {
            // The chunk cannot go before its last window is counted out.
            chunk.windows.fetch_sub(1, Ordering::SeqCst);
            if let Some(ledger) = window.ledger.get() {
                self.leave_ledger(ledger);
            }
        }
        if count > 0 || edited.closed {
            self.settle_chunk(chunk);
        }
    }
}

/// Whether `page` of a window belongs to one of the objects.
fn lists(class: &Class, objects: &[u64; 8], page: u64) -> bool {
    let position = page as u32 / class.pages();
    let (word, mask) = bit_of(position);
    position < class.positions() && objects[word] & mask != 0
}

/// The pages of the objects of the window at `at`.
fn pages_of(class: &Class, at: GuestVirtual, objects: &[u64; 8]) -> Flush {
    let mut flush = Flush::empty();
    for (word, &bits) in objects.iter().enumerate() {
        let mut left = bits;
        while left != 0 {
            let position = word as u32 * 64 + left.trailing_zeros();
            left &= left - 1;
            let start = at.add(u64::from(position * class.stride));
            let end = start.add(u64::from(class.pages()) * PAGE_SIZE);
            flush = flush.merge(Flush::pages(start, end));
        }
    }
    flush
}
