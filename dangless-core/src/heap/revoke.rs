//! Revocation: taking the addresses of freed objects away, and only then their memory back.
//!
//! The order is always the same: edit the window's page-table entries, flush, return the objects
//! to the chunk's free set; with several processors `epoch` sees to that, later. One edit takes in
//! every object of the window that was freed and is not revoked yet. Where edits or flushes are dear, windows with freed objects wait in a queue and
//! share them. A window in the queue is edited when
//! - the queue is drained, at a system call or by the tick; where the profile says so, only while there
//!   is run time for it;
//! - more waits than may, or the heap is about to grow by much: those with few live objects come first;
//! - as many of its objects were freed since its last edit as are live: the memory that comes back
//!   pays for the edit;
//! - it is wholly free: then it is closed, with others together.

use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::class::Class;
use super::handle::Handle;
use super::machine::Machine;
use super::space::{weight, Heap, Space};
use super::window::{bit_of, Window, NOT_QUICK};
use crate::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};
use crate::paging::{Entry, Flags, Flush, TableMemory};

/// Windows that share a flush.
pub const BATCH: usize = 128;
/// Windows of a class that are edited together, when enough of them was freed. A host that shadows
/// page tables pays for three entries of a directory; then it stops watching it.
pub const DUE: usize = 32;
/// What closing a window costs later, in faults: the addresses that come in its place have to be
/// opened, and the first access finds nothing shadowed.
const RENEWAL: u32 = 16;
/// Live pages of a split window for each fault that they will cost: a fault serves eight pages, and
/// not all of them will be touched.
const PAGES_PER_FAULT: u32 = 2;
/// Bytes freed between two looks at the clock.
pub const LOOK: i64 = 64 << 10;
/// Where fewer objects were freed from one tick to the next, each is revoked at once again.
const FEW: u32 = 64;
/// A system call ends leases early when one in so many of the chunk's objects was handed out.
const SPENT: u32 = 8;
/// Bytes of a window that may be freed between two looks at it.
const MARGIN: i64 = 16 << 10;
/// Most objects.
const MOST_MARGIN: i64 = 256;
/// Fewest objects of a window that it is edited for before it is wholly free.
const WORTH_AN_EDIT: u32 = 64;
/// When more waits than may, windows are edited that have at most so many live objects for each that
/// waits, one bound after the other.
const RELIEF: [u32; 4] = [1, 2, 4, 8];
/// Most bytes that wait in the queue, where the heap is no bigger than twice that and nothing else
/// was asked for.
const MOST_BYTES: i64 = 32 << 20;

/// An object that was just freed.
pub struct Freed {
    /// Number of its window.
    pub number: u64,
    /// Record of its window.
    pub window: Handle<Window>,
    /// Its position in the window.
    pub position: u32,
    /// Objects of the window that are left.
    pub left: u32,
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
    /// Bytes freed and not revoked, less what was freed since the last looks at the clock.
    bytes: AtomicI64,
    /// Most bytes that may wait; 0 for a share of the heap.
    limit: u64,
    /// Blocks of the heap when it was last about to grow while much waited.
    grown: AtomicU64,
}

impl Queue {
    /// An empty queue for at most `limit` bytes, 0 standing for a share of the heap.
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self {
            head: AtomicU64::new(0),
            bytes: AtomicI64::new(0),
            limit,
            grown: AtomicU64::new(0),
        }
    }

    /// Bytes that wait.
    fn waiting(&self) -> i64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Adds a window unless it is in the queue already.
    pub(super) fn push(&self, number: u64, window: &Window) {
        if !window.queued.swap(true, Ordering::AcqRel) {
            self.link(number, window);
        }
    }

    /// Adds a window that counts as queued, and was taken out.
    fn link(&self, number: u64, window: &Window) {
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
        self.head.swap(0, Ordering::AcqRel)
    }

    /// Counts bytes that wait.
    pub(super) fn add(&self, bytes: i64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that came back.
    pub(super) fn returned(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes as i64, Ordering::Relaxed);
    }
}

impl<M: Machine> Space<M> {
    /// At how many unfreed objects a window of `count` is first edited.
    pub(super) const fn first_trigger(&self, count: u32) -> u16 {
        let _ = self;
        if count / 2 < WORTH_AN_EDIT {
            return 0;
        }
        (count / 2) as u16
    }

    /// Revokes an object that was just freed, now or later, where more has to be done than to leave
    /// it in a queued window.
    #[cold]
    #[inline(never)]
    pub(super) fn revoke_slowly(&self, heap: &mut Heap, freed: Freed) {
        let dear = self.machine.directory_edits_are_immediate();
        if self.budget.is_unlimited() && !dear {
            self.revoke_now(&freed);
            return;
        }
        if heap.credit < 0 {
            if heap.hurries && self.is_leased(heap, &freed) {
                self.look_later(heap);
            } else if self.revoke_within_budget(heap, &freed) {
                return;
            }
        }
        self.queue.push(freed.number, &freed.window);
        if freed.left <= u32::from(freed.window.trigger.load(Ordering::Relaxed)) {
            self.note_due(heap, &freed);
        }
        if self.is_queue_full() {
            self.relieve(heap);
        }
    }

    /// Has no more wait than may. Where edits are dear, the windows of which the most was freed for what
    /// is left are edited first.
    fn relieve(&self, heap: &mut Heap) {
        let most = self.most_waiting();
        if self.machine.directory_edits_are_immediate() {
            for ratio in RELIEF {
                self.drain_those(heap, ratio);
                if self.queue.waiting() <= most / 8 * 7 {
                    return;
                }
            }
        }
        self.drain(heap);
    }

    /// Whether much waits while the heap is about to grow, by an eighth since it was so last time: its
    /// memory is used then before more is asked for. So seldom that costs next to nothing.
    pub(super) fn is_growing_idly(&self) -> bool {
        let blocks = self.blocks.in_use();
        let waiting = self.queue.waiting();
        if waiting <= self.share_of_heap(8).max(2 * MOST_BYTES) {
            return false;
        }
        let last = self.queue.grown.load(Ordering::Relaxed);
        if blocks < last + last / 8 {
            return false;
        }
        self.queue.grown.store(blocks, Ordering::Relaxed);
        true
    }

    /// Whether the object has its address from an open lease of the thread's.
    fn is_leased(&self, heap: &Heap, freed: &Freed) -> bool {
        let number = usize::from(freed.window.class.load(Ordering::Relaxed));
        let front = heap.fronts.get(number);
        front.is_some_and(|front| front.leases(self.class(number), freed.number))
    }

    /// Has some more objects freed before the clock is looked at.
    fn look_later(&self, heap: &mut Heap) {
        self.queue.add(LOOK - heap.credit);
        heap.credit = LOOK;
    }

    /// Revokes the object at once if there is run time for it; answers whether there was. If not,
    /// more objects can be freed before the clock is looked at again.
    fn revoke_within_budget(&self, heap: &mut Heap, freed: &Freed) -> bool {
        let now = self.machine.now();
        if !self.budget.is_unlimited() && !self.budget.allows(now) {
            self.look_later(heap);
            heap.hurries = true;
            return false;
        }
        let dear = self.machine.directory_edits_are_immediate();
        if dear {
            self.spare_split(heap, freed.window, u32::MAX);
        }
        let faults = self.revoke_now(freed);
        self.budget.spend_on(now, self.machine.now(), faults);
        if dear && self.has_pending() {
            self.drain(heap);
        }
        true
    }

    /// Lets some of a queued window's objects be freed without a look at the clock or at the window's
    /// trigger; all are counted as freed now. One thread uses the heap.
    pub(super) fn give_margin(&self, heap: &mut Heap, window: Handle<Window>, left: u32) {
        let quick = window.offset.load(Ordering::Relaxed) & NOT_QUICK == 0;
        if !quick || !window.queued.load(Ordering::Relaxed) {
            return;
        }
        let trigger = u32::from(window.trigger.load(Ordering::Relaxed));
        let weight = weight(window);
        let most = (MARGIN / weight).clamp(1, MOST_MARGIN);
        let margin = left.saturating_sub(trigger + 1).min(most as u32);
        window.give_margin(margin as u16);
        heap.credit -= i64::from(margin) * weight;
    }

    /// Takes back what `give_margin` gave and was not used.
    pub(super) fn take_margin(&self, window: Handle<Window>) {
        if self.is_alone() {
            let margin = window.take_margin();
            if margin != 0 {
                self.queue
                    .returned(u64::from(margin) * weight(window) as u64);
            }
        }
    }

    /// Whether more waits than may.
    pub(super) fn is_queue_full(&self) -> bool {
        self.queue.waiting() > self.most_waiting()
    }

    /// Most bytes that may wait.
    fn most_waiting(&self) -> i64 {
        if self.queue.limit > 0 {
            return i64::try_from(self.queue.limit).unwrap_or(i64::MAX);
        }
        self.share_of_heap(2).max(MOST_BYTES)
    }

    fn share_of_heap(&self, part: u64) -> i64 {
        let share = self.blocks.in_use() * LARGE_PAGE_SIZE / part;
        i64::try_from(share).unwrap_or(i64::MAX)
    }

    /// Notes a window of which so much was freed that an edit pays, whatever the budget says, unless
    /// it is being handed out, when it would have to be split.
    fn note_due(&self, heap: &mut Heap, freed: &Freed) {
        let window = freed.window;
        let next = self.first_trigger(freed.left);
        window.trigger.store(next, Ordering::Relaxed);
        let number = usize::from(window.class.load(Ordering::Relaxed));
        let last = self.class(number).positions() - 1;
        let key = window.key.load(Ordering::Relaxed);
        let chunk = window.chunk();
        if freed.left > 0 && !chunk.is_some_and(|chunk| chunk.handed_out(key, last)) {
            return;
        }
        // When a lease ends all that is due of it is closed together.
        if self.is_leased(heap, freed) {
            return;
        }
        let full = heap
            .fronts
            .get_mut(number)
            .is_some_and(|front| front.note_due(freed.number));
        if full {
            self.edit_due(heap, number);
        }
    }

    /// Edits the windows of a class that are due.
    pub(super) fn edit_due(&self, heap: &mut Heap, number: usize) {
        let Some(front) = heap.fronts.get_mut(number) else {
            return;
        };
        let (due, count) = front.take_due();
        let mut flush = Flush::empty();
        for (number, place) in due[..count].iter().zip(&mut heap.batch) {
            let number = u64::from(*number);
            let Some(window) = self.windows.record(&self.machine, number) else {
                continue;
            };
            let (edited, owed) = self.edit(number, window, None);
            flush = flush.merge(owed);
            *place = Some(edited);
        }
        flush.redeem(&self.machine);
        for place in &mut heap.batch[..count] {
            if let Some(edited) = place.take() {
                self.return_objects(&edited);
            }
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
        self.queue.head.load(Ordering::Relaxed) != 0 || self.is_waiting() || self.paged.has_queued()
    }

    /// Finishes every queued revocation that there is run time for, when it is called by a clock.
    ///
    /// Answers for how many milliseconds there will be nothing to do for it.
    pub fn tick(&self, heap: &mut Heap) -> u64 {
        if self.is_bounded || self.budget.allows(self.machine.now()) {
            // The clock cannot spend addresses faster than it ticks.
            let mut gone = self.renew_leases(heap, u32::MAX);
            gone += self.drain_counting(heap);
            if gone < FEW {
                self.look_soon(heap);
            }
        } else if self.epochs.are_needed() {
            self.catch_up();
            self.collect();
        }
        if self.is_bounded || self.epochs.are_needed() {
            return 0;
        }
        self.budget.wait(self.machine.now())
    }

    /// Has the clock looked at with the next free, and objects of leases revoked at once as others.
    fn look_soon(&self, heap: &mut Heap) {
        heap.hurries = false;
        if heap.credit >= 0 {
            self.queue.add(-1 - heap.credit);
            heap.credit = -1;
        }
    }

    /// Finishes every queued revocation before a system call, or those that there is run time for.
    pub fn drain_for_call(&self, heap: &mut Heap) {
        // Of single pages the VMM sees no records.
        let always = self.drains_at_calls || self.paged.on;
        if always || self.budget.allows(self.machine.now()) {
            self.drain(heap);
        } else if self.epochs.are_needed() {
            self.catch_up();
            self.collect();
        }
    }

    /// Finishes every queued revocation.
    pub fn drain(&self, heap: &mut Heap) {
        self.drain_counting(heap);
    }

    /// As `drain`; answers how many objects were returned.
    fn drain_counting(&self, heap: &mut Heap) -> u32 {
        if self.epochs.are_needed() {
            self.catch_up();
        }
        let began = self.machine.now();
        let mut gone = self.renew_leases(heap, SPENT);
        let mut faults = self.drain_once(heap, &mut gone, u32::MAX);
        if self.queue.head.load(Ordering::Relaxed) != 0 {
            // Fronts that were given up have left windows to close.
            faults += self.drain_once(heap, &mut gone, u32::MAX);
        }
        if self.paged.has_queued() {
            self.drain_paged();
        }
        self.collect();
        self.budget.spend_on(began, self.machine.now(), faults);
        gone
    }

    /// Edits the queued windows that have at most `most` live objects for each that waits.
    fn drain_those(&self, heap: &mut Heap, most: u32) {
        if self.epochs.are_needed() {
            self.catch_up();
        }
        let began = self.machine.now();
        let faults = self.drain_once(heap, &mut 0, most);
        self.collect();
        self.budget.spend_on(began, self.machine.now(), faults);
    }

    /// Edits the queued windows that have at most `most` live objects for each that waits. Answers how
    /// many faults the program will take because of it, and counts objects in `gone`.
    fn drain_once(&self, heap: &mut Heap, gone: &mut u32, most: u32) -> u32 {
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
                self.take_margin(window);
                let waiting = || count(&window.pending());
                if most != u32::MAX && window.live_count() > waiting().saturating_mul(most) {
                    self.queue.link(number, &window);
                    continue;
                }
                // Objects freed from here on queue the window again.
                window.queued.swap(false, Ordering::AcqRel);
                if dear {
                    self.spare_split(heap, window, WORTH_AN_EDIT);
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
                    *gone += count(&edited.objects);
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
        let table = window.table();
        let dear = self.machine.directory_edits_are_immediate();
        let closed = window.closed.load(Ordering::Relaxed);
        let closing = !closed && window.live_count() == 0;
        let objects = match only {
            Some(position) if table.is_some() && !closing && !dear => one(position),
            _ => window.pending(),
        };
        let pages = pages_of(class, &objects);
        let flush = if dear {
            // Directory entries are all that is changed here on such a machine.
            Flush::empty()
        } else {
            flush_of(at, &pages)
        };
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
        if let (Some(table), false, false) = (table, closing, dear && pages != [0; 8]) {
            for page in bits(&pages) {
                let entry = table.add(u64::from(page) * 8);
                self.store(entry, Entry::ABSENT.bits());
            }
            edited.waits = self.wait_after_edit(number, &window);
            return (edited, flush);
        }
        // The tables above exist since the window was opened.
        let slot = self.own_entry(at);
        let new = if closing { None } else { self.allocate_table() };
        let chunk = window.chunk();
        match (slot, new, chunk) {
            (Some(slot), None, _) if closing => {
                self.store(slot, Entry::ABSENT.bits());
                window.closed.store(true, Ordering::Relaxed);
                edited.faults = RENEWAL;
                edited.waits = self.wait_after_edit(number, &window);
                if !edited.waits {
                    window.set_table(None);
                    edited.table = table;
                }
            }
            (Some(slot), Some(new), Some(chunk)) => {
                // Objects that are freed meanwhile come with the next edit.
                let kept = core::array::from_fn(|word| {
                    window.served[word].load(Ordering::Relaxed)
                        & !objects[word]
                        & !window.revoked[word].load(Ordering::Relaxed)
                });
                self.fill_table(new, chunk.memory(), &pages_of(class, &kept));
                let entry = Entry::table(new);
                self.store(slot, entry.bits());
                window.set_table(Some(new));
                edited.faults = window.live_count() * class.pages / PAGES_PER_FAULT;
                edited.waits = self.wait_after_edit(number, &window);
                // Where one is replaced directory edits take effect at once.
                edited.table = table;
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

    /// Fills a zeroed page table with those pages of a chunk.
    fn fill_table(&self, table: GuestPhysical, memory: GuestPhysical, pages: &[u64; 8]) {
        for page in bits(pages) {
            let entry = Entry::page(memory.add(u64::from(page) * PAGE_SIZE), Flags::DATA);
            self.store(table.add(u64::from(page) * 8), entry.bits());
        }
    }

    /// After the flush: returns the objects' memory and what a closed window leaves.
    pub(super) fn return_objects(&self, edited: &Edited) {
        if edited.waits {
            return;
        }
        let window = edited.window;
        let class = self.class(usize::from(window.class.load(Ordering::Relaxed)));
        let column = u32::from(window.column.load(Ordering::Relaxed));
        let Some(chunk) = window.chunk() else {
            return;
        };
        let mut mine = [0; 8];
        for ((mine, &bits), revoked) in mine.iter_mut().zip(&edited.objects).zip(&window.revoked) {
            if bits != 0 {
                // Two edits may have taken in the same object: the first to get here returns it.
                *mine = bits & !revoked.fetch_or(bits, Ordering::AcqRel);
            }
        }
        if self.zero_on_free {
            for position in bits(&mine) {
                let inside = class.offset(position, column);
                self.wipe(chunk.memory().add(inside.into()), class.size.into());
            }
        }
        let count = chunk.put_free(class, column, &mine);
        self.queue
            .returned(u64::from(count) * u64::from(class.size));
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

/// How many positions a set has.
fn count(set: &[u64; 8]) -> u32 {
    set.iter().map(|word| word.count_ones()).sum()
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
    let each = class.pages;
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

/// What is owed for pages of the window at `at`: all from the first to the last of them.
fn flush_of(at: GuestVirtual, pages: &[u64; 8]) -> Flush {
    let place = |index: usize, bit: u32| u64::from(index as u32 * 64 + bit) * PAGE_SIZE;
    let used = |&(_, &word): &(usize, &u64)| word != 0;
    let mut words = pages.iter().enumerate();
    let Some((index, word)) = words.find(used) else {
        return Flush::empty();
    };
    let first = place(index, word.trailing_zeros());
    let (index, word) = words.rfind(used).unwrap_or((index, word));
    let last = place(index, 63 - word.leading_zeros());
    Flush::pages(at.add(first), at.add(last + PAGE_SIZE))
}
