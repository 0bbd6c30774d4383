//! Revocation: taking the addresses of freed objects away, and only then their memory back.
//!
//! The order is always the same: edit the window's page-table entries, flush, return the objects
//! to the chunk's free set; with several processors `epoch` sees to that, later. One edit takes in every object of the window that was freed and is not
//! revoked yet. Where edits or flushes are dear, windows with freed objects wait in a queue and
//! share them.

use core::sync::atomic::{AtomicU64, Ordering};

use super::chunk::Chunk;
use super::class::Class;
use super::handle::Handle;
use super::machine::Machine;
use super::space::{Heap, Space};
use super::window::{bit_of, Window};
use crate::address::{GuestPhysical, GuestVirtual, PAGE_SIZE};
use crate::paging::{Entry, Flush, Level, TableMemory};

/// Windows that share a flush.
pub const BATCH: usize = 128;
/// What closing a window costs later, in faults: the addresses that come in its place have to be
/// opened, and the first access finds nothing shadowed.
const RENEWAL: u32 = 8;
/// Most objects that wait in the queue.
const MOST_OBJECTS: u64 = 1 << 16;
/// Most bytes that wait in the queue.
const MOST_BYTES: u64 = 32 << 20;

/// An object that was just freed.
pub struct Freed {
    /// Number of its window.
    pub number: u64,
    /// Record of its window.
    pub window: Handle<Window>,
    /// Its position in the window.
    pub position: u32,
    /// Bytes of memory it holds.
    pub size: u64,
    /// No other object of the window is left.
    pub last: bool,
}

/// Freed objects that one edit made unreachable.
#[derive(Clone, Copy)]
pub struct Edited {
    window: Handle<Window>,
    /// By position.
    objects: [u64; 8],
    /// The page table that the closed window leaves behind.
    table: Option<GuestPhysical>,
    closed: bool,
    /// The objects are returned when every processor has flushed.
    waits: bool,
    /// What the program will pay for the edit later, in faults.
    faults: u32,
}

impl Edited {
    /// What is returned after a wait: objects that no processor reaches any more, the window's page
    /// table and the window itself, if these have to go.
    pub(super) const fn flushed(
        window: Handle<Window>,
        objects: [u64; 8],
        table: Option<GuestPhysical>,
        closed: bool,
    ) -> Self {
        Self {
            window,
            objects,
            table,
            closed,
            waits: false,
            faults: 0,
        }
    }
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
    pub(super) fn push(&self, number: u64, window: &Window) {
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
    /// Revokes an object that was just freed, now or later.
    #[inline]
    pub(super) fn revoke(&self, heap: &mut Heap, freed: Freed) {
        let dear = self.machine.directory_edits_are_immediate();
        // A wholly free window is closed by one store, whatever the budget says.
        if freed.last || (self.budget.is_unlimited() && !dear) {
            self.revoke_now(&freed);
            return;
        }
        let now = self.machine.now();
        if self.budget.is_unlimited() || self.budget.allows(now) {
            if dear {
                self.spare_split(heap, freed.window);
            }
            let faults = self.revoke_now(&freed);
            self.budget.spend_on(now, self.machine.now(), faults);
            if dear && self.has_pending() {
                self.drain(heap);
            }
            return;
        }
        self.queue.push(freed.number, &freed.window);
        if self.queue.is_full_with(freed.size) {
            self.drain(heap);
        }
    }

    /// Revokes the object, and with it what else is freed in its window where that costs nothing;
    /// answers how many faults the program will take because of it.
    fn revoke_now(&self, freed: &Freed) -> u32 {
        let (edited, flush) = self.edit(freed.number, freed.window, Some(freed.position));
        flush.redeem(&self.machine);
        self.return_objects(&edited);
        edited.faults
    }

    /// Whether freed objects wait for their revocation.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.queue.head.load(Ordering::Relaxed) != 0 || self.is_waiting()
    }

    /// Finishes every queued revocation.
    pub fn drain(&self, heap: &mut Heap) {
        if self.epochs.are_needed() {
            self.catch_up();
        }
        let began = self.machine.now();
        let mut faults = self.drain_once(heap);
        if self.queue.head.load(Ordering::Relaxed) != 0 {
            // Fronts that were given up have left windows to close.
            faults += self.drain_once(heap);
        }
        self.collect();
        self.budget.spend_on(began, self.machine.now(), faults);
    }

    fn drain_once(&self, heap: &mut Heap) -> u32 {
        let dear = self.machine.directory_edits_are_immediate();
        let mut faults = 0;
        let mut next = self.queue.detach();
        while next != 0 {
            let mut flush = Flush::empty();
            let mut used = 0;
            while used < BATCH {
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
                if dear {
                    self.spare_split(heap, window);
                }
                let (edited, owed) = self.edit(number, window, None);
                flush = flush.merge(owed);
                faults += edited.faults;
                heap.batch[used] = Some(edited);
                used += 1;
            }
            flush.redeem(&self.machine);
            for place in &mut heap.batch[..used] {
                if let Some(edited) = place.take() {
                    self.return_objects(&edited);
                }
            }
        }
        faults
    }

    /// Edits the window's page-table entries so that no freed object is reachable after the flush;
    /// where the window is split already and the object at position `only` was just freed, just
    /// that one.
    fn edit(&self, number: u64, window: Handle<Window>, only: Option<u32>) -> (Edited, Flush) {
        let at = self.windows.address(number);
        let class = self.class(usize::from(window.class.load(Ordering::Relaxed)));
        let _edits = window.edit();
        let table = window.table.load(Ordering::Relaxed);
        let closed = window.closed.load(Ordering::Relaxed);
        let closing = !closed && window.unfreed.load(Ordering::Acquire) == 0;
        let objects = match only {
            Some(position) if table != 0 && !closing => one(position),
            _ => window.pending(),
        };
        let pages = pages_of(class, &objects);
        let flush = flush_of(at, &pages);
        let mut edited = Edited {
            window,
            objects,
            table: None,
            closed: closing,
            waits: false,
            faults: 0,
        };
        if closed {
            // The closing thread may not have flushed yet, so this one does it as well.
            edited.waits = self.wait_after_edit(number, &window);
            return (edited, self.directory_edit(flush));
        }
        if table != 0 && !closing {
            for page in bits(&pages) {
                let entry = GuestPhysical(table).add(u64::from(page) * 8);
                self.store(entry, Entry::ABSENT.bits());
            }
            edited.waits = self.wait_after_edit(number, &window);
            return (edited, self.table_edit(flush));
        }
        // The tables above exist since the window was opened.
        let slot = self.mapper().find_entry(at, Level::Directory);
        let new = if closing { None } else { self.allocate_table() };
        match (slot, new) {
            (Some(slot), None) if closing => {
                self.store(slot, Entry::ABSENT.bits());
                window.closed.store(true, Ordering::Relaxed);
                edited.faults = RENEWAL;
                edited.waits = self.wait_after_edit(number, &window);
                if !edited.waits {
                    window.table.store(0, Ordering::Relaxed);
                    edited.table = (table != 0).then_some(GuestPhysical(table));
                }
            }
            (Some(slot), Some(new)) => {
                let keep = |page| {
                    let (word, mask) = bit_of(page as u32);
                    pages[word] & mask == 0
                };
                self.mapper().split(slot, Level::Directory, new, keep);
                window.table.store(new.0, Ordering::Relaxed);
                edited.faults = window.unfreed.load(Ordering::Relaxed) * class.pages();
                edited.waits = self.wait_after_edit(number, &window);
            }
            _ => {
                // No memory for the table: the objects stay out of use, and the next drain tries
                // again.
                flush.waive();
                self.queue.push(number, &window);
                return (
                    Edited {
                        objects: [0; 8],
                        closed: false,
                        ..edited
                    },
                    Flush::empty(),
                );
            }
        }
        (edited, self.directory_edit(flush))
    }

    /// What is owed after a directory entry was changed.
    pub(super) fn directory_edit(&self, flush: Flush) -> Flush {
        if self.machine.directory_edits_are_immediate() {
            flush.waive();
            return Flush::empty();
        }
        flush
    }

    /// What is owed after entries of the lowest level were changed. Where tables are shadowed,
    /// every flush takes in everything, so one serves any number of pages.
    fn table_edit(&self, flush: Flush) -> Flush {
        if self.machine.directory_edits_are_immediate() && !flush.is_empty() {
            return flush.merge(Flush::all());
        }
        flush
    }

    /// After the flush: returns the objects' memory and what a closed window leaves.
    pub(super) fn return_objects(&self, edited: &Edited) {
        if edited.waits {
            return;
        }
        let window = edited.window;
        let class = self.class(usize::from(window.class.load(Ordering::Relaxed)));
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
            let mine = bits & !revoked.fetch_or(bits, Ordering::AcqRel);
            count += mine.count_ones();
            for position in bits_of(mine) {
                let bit = class.bit(at as u32 * 64 + position, column);
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

/// The set of one position.
fn one(position: u32) -> [u64; 8] {
    let mut set = [0; 8];
    let (word, mask) = bit_of(position);
    set[word] = mask;
    set
}

/// The set bits of a word.
fn bits_of(mut word: u64) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros());
        word &= word.wrapping_sub(1);
        bit
    })
}

/// The set bits of a set of positions or pages.
fn bits(set: &[u64; 8]) -> impl Iterator<Item = u32> + '_ {
    set.iter()
        .zip((0..).step_by(64))
        .flat_map(|(&word, base)| bits_of(word).map(move |bit| base + bit))
}

/// The pages that the objects at these positions have in their window.
fn pages_of(class: &Class, objects: &[u64; 8]) -> [u64; 8] {
    let each = class.pages();
    if each == 1 {
        return *objects;
    }
    let mut pages = [0; 8];
    for position in bits(objects) {
        for page in position * each..(position + 1) * each {
            let (word, mask) = bit_of(page);
            pages[word] |= mask;
        }
    }
    pages
}

/// What is owed for pages of the window at `at`.
fn flush_of(at: GuestVirtual, pages: &[u64; 8]) -> Flush {
    let page = |page: u32| Flush::page(at.add(u64::from(page) * PAGE_SIZE));
    bits(pages).map(page).fold(Flush::empty(), Flush::merge)
}
