//! The classic scheme: every object has pages of its own, one page-table entry each.
//!
//! What windows are measured against, and how objects can lie in another allocator's memory. An
//! object lies in a block of a [`BlockSource`]; the next fresh pages of the alias region are made to
//! show it, at the same offset in the page. `free` takes the entries away again; after the flush
//! the block goes back to its source. Addresses are never used twice. Blocks can also be *lent* by
//! whoever calls: an allocator that must not be called while a heap is borrowed. Those are handed
//! back on request.
//!
//! A window of 2 MiB has a page table and a *record* for each page. When all its pages are done
//! with, the table goes; the records stay, to describe dead objects, until there are too many.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::clock;
use super::depot::StackId;
use super::handle::{Handle, Record};
use super::lock::SpinLock;
use super::machine::Machine;
use super::object::Object;
use super::revoke::LOOK;
use super::source::{Block, BlockSource, Chunked, Lent, LENT};
use super::space::{Heap, Space};
use super::window::{Use, Window};
use super::{FreeError, Layout, OutOfMemory};
use crate::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE, PAGES_PER_LARGE, PAGE_SIZE};
use crate::paging::{Entry, Flags, Flush, TableMemory};

/// Windows whose records are kept when all of their objects are gone: 64 MiB.
const KEEP: u64 = 2048;
/// Bytes of a window's records.
const LEDGER: u64 = PAGES_PER_LARGE * core::mem::size_of::<PageRecord>() as u64;

/// What is on a page.
mod state {
    /// Nothing yet.
    pub const NOTHING: u32 = 0;
    /// The start of a live object.
    pub const LIVE: u32 = 1;
    /// The start of a freed object.
    pub const FREED: u32 = 2;
    /// More of the object whose first page `block` is.
    pub const FOLLOWS: u32 = 3;
    /// The start of pages that no object gets.
    pub const SKIPPED: u32 = 4;
}

/// The record of one page; of an object's the first has all.
#[repr(C, align(64))]
pub struct PageRecord {
    /// See [`state`].
    state: AtomicU32,
    /// Stack of the allocation.
    pub allocated: AtomicU32,
    /// Stack of the free, when there was one.
    pub freed: AtomicU32,
    /// Pages of the object.
    pages: AtomicU32,
    /// Address of the object.
    pub start: AtomicU64,
    /// Bytes that were asked for.
    pub size: AtomicU64,
    /// Where the object lies, of a lent block its address; on pages that follow, the number of the
    /// first.
    block: AtomicU64,
    /// What the source knows the block by.
    owner: AtomicU64,
    /// The next page in the list that this is in, as number + 1.
    next: AtomicU64,
    /// The epoch in which the end of its addresses is flushed.
    epoch: AtomicU64,
}

const _: () = assert!(core::mem::size_of::<PageRecord>() == 64);

// SAFETY: all fields are atomics.
unsafe impl Record for PageRecord {}

impl PageRecord {
    /// Whether the object is live.
    pub fn is_live(&self) -> bool {
        self.state.load(Ordering::Acquire) == state::LIVE
    }
}

/// The pages that a thread hands out next, by number: 512 to a window.
pub struct PageFront {
    next: u64,
    end: u64,
}

impl PageFront {
    /// No pages.
    pub const EMPTY: Self = Self { next: 0, end: 0 };
}

/// Windows without objects whose records are kept, oldest first.
struct Dead {
    oldest: u64,
    newest: u64,
    count: u64,
}

/// The scheme's process-wide state.
pub struct Paged {
    /// The scheme is used.
    pub on: bool,
    /// Freed objects whose entries are to be taken away: number + 1 of the first.
    queue: AtomicU64,
    /// Objects without entries that wait for other processors: number + 1 of the first.
    waiting: AtomicU64,
    /// Objects in lent blocks that nobody reaches any more: number + 1 of the first.
    ready: AtomicU64,
    dead: SpinLock<Dead>,
    /// Records of windows that can be used again, as the address of the first, linked by `next`.
    spare: SpinLock<u64>,
}

impl Paged {
    /// Nothing yet.
    pub const fn new(on: bool) -> Self {
        Self {
            on,
            queue: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            ready: AtomicU64::new(0),
            dead: SpinLock::new(Dead {
                oldest: 0,
                newest: 0,
                count: 0,
            }),
            spare: SpinLock::new(0),
        }
    }

    /// Whether freed objects wait for their revocation.
    pub fn has_queued(&self) -> bool {
        self.queue.load(Ordering::Relaxed) != 0
    }

    /// Whether objects wait for other processors.
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) != 0
    }
}

/// Adds an object to a list by its first page's number.
fn push(list: &AtomicU64, id: u64, record: &PageRecord) {
    let mut head = list.load(Ordering::Relaxed);
    loop {
        record.next.store(head, Ordering::Relaxed);
        match list.compare_exchange_weak(head, id + 1, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}

impl<M: Machine> Space<M> {
    /// An object on pages of its own.
    #[cold]
    #[inline(never)]
    pub(super) fn allocate_paged(
        &self,
        heap: &mut Heap,
        layout: Layout,
        align: u64,
        stack: StackId,
    ) -> Result<GuestVirtual, OutOfMemory> {
        if self.is_waiting() {
            self.catch_up();
            self.collect();
        }
        let placed = match self.place(heap, layout, align, stack) {
            None => {
                self.return_all(heap);
                self.place(heap, layout, align, stack)
            }
            placed => placed,
        };
        placed.ok_or(OutOfMemory)
    }

    fn place(
        &self,
        heap: &mut Heap,
        layout: Layout,
        align: u64,
        stack: StackId,
    ) -> Option<GuestVirtual> {
        let bytes = layout.size.max(1);
        let source = Chunked(self);
        let block = source.take(&mut heap.slots, bytes, align.min(PAGE_SIZE))?;
        let Some(first) = self.take_pages(heap, block.pages, align) else {
            source.give(block.start, block.owner, bytes);
            return None;
        };
        let is_run = block.owner == 0;
        if layout.zeroed && !block.zero && is_run {
            self.machine
                .discard(block.start, bytes.next_multiple_of(PAGE_SIZE));
        }
        let frame = block.start.align_down(PAGE_SIZE);
        let at = self.page_address(first).add(block.start.0 - frame.0);
        for (index, id) in (0..).zip(first..first + block.pages) {
            self.show(id, frame.add(index * PAGE_SIZE));
        }
        self.note_object(first, &block, at, layout.size, stack)?;
        if layout.zeroed && !block.zero && !is_run {
            // SAFETY: the object is not known to anybody yet.
            unsafe { self.machine.clear(at, layout.size) };
        }
        Some(at)
    }

    /// Makes page number `id` show `frame`.
    fn show(&self, id: u64, frame: GuestPhysical) {
        if let Some(entry) = self.page_entry(id) {
            self.store(entry, Entry::page(frame, Flags::DATA).bits());
        }
    }

    /// Notes the object at `at` on the pages from number `first` on, which show its block.
    fn note_object(
        &self,
        first: u64,
        block: &Block,
        at: GuestVirtual,
        size: u64,
        stack: StackId,
    ) -> Option<()> {
        let record = self.page_record(first)?;
        for id in first + 1..first + block.pages {
            self.follow(id, first);
        }
        record.allocated.store(stack, Ordering::Relaxed);
        record.pages.store(block.pages as u32, Ordering::Relaxed);
        record.start.store(at.0, Ordering::Relaxed);
        record.size.store(size, Ordering::Relaxed);
        record.block.store(block.start.0, Ordering::Relaxed);
        record.owner.store(block.owner, Ordering::Relaxed);
        record.state.store(state::LIVE, Ordering::Release);
        Some(())
    }

    /// An object in a block that another allocator has lent, whose memory stays what it is until the
    /// block is given back ([`Self::give_back`]). `layout` is what the block was asked for.
    ///
    /// # Errors
    /// Addresses, or memory for page tables and records, have run out: the block is not used.
    pub fn allocate_in(
        &self,
        heap: &mut Heap,
        lent: Lent,
        layout: Layout,
        frames: &[u64],
        thread: u64,
    ) -> Result<GuestVirtual, OutOfMemory> {
        let stack = self.stack(frames, thread);
        if self.is_waiting() {
            self.catch_up();
            self.collect();
        }
        let at = self
            .place_in(heap, lent, layout, stack)
            .ok_or(OutOfMemory)?;
        if layout.zeroed {
            // SAFETY: the object is not known to anybody yet.
            unsafe { self.machine.clear(at, layout.size) };
        }
        Ok(at)
    }

    fn place_in(
        &self,
        heap: &mut Heap,
        lent: Lent,
        layout: Layout,
        stack: StackId,
    ) -> Option<GuestVirtual> {
        let align = layout.align.checked_next_power_of_two()?;
        let inside = lent.start.offset_in(PAGE_SIZE);
        let pages = inside.checked_add(layout.size.max(1))?.div_ceil(PAGE_SIZE);
        if pages > self.windows.bytes() / PAGE_SIZE {
            return None;
        }
        let first = self.take_pages(heap, pages, align)?;
        let mapper = self.mapper();
        let from = lent.start.align_down(PAGE_SIZE);
        for (index, id) in (0..).zip(first..first + pages) {
            let at = from.add(index * PAGE_SIZE).max(lent.start);
            let found = mapper.translate(at).or_else(|| {
                // Its first use makes its entry.
                self.machine.touch(at);
                mapper.translate(at)
            });
            match found {
                Some(found) => self.show(id, found.physical.align_down(PAGE_SIZE)),
                None => {
                    self.skip(heap, first, first + pages);
                    return None;
                }
            }
        }
        let block = Block {
            start: GuestPhysical(lent.start.0),
            pages,
            owner: lent.owner | LENT,
            zero: false,
        };
        let at = self.page_address(first).add(inside);
        self.note_object(first, &block, at, layout.size, stack)?;
        Some(at)
    }

    /// Calls `give` with every lent block that nobody reaches any more, and how many bytes of it
    /// were used. `give` may call whoever has lent it, and anything of the heap.
    pub fn give_back(&self, mut give: impl FnMut(Lent, u64)) {
        if self.paged.ready.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut next = self.paged.ready.swap(0, Ordering::AcqRel);
        while let Some((id, record)) = self.listed(next) {
            next = record.next.load(Ordering::Relaxed);
            let lent = Lent {
                owner: record.owner.load(Ordering::Relaxed) & !LENT,
                start: GuestVirtual(record.block.load(Ordering::Relaxed)),
            };
            let bytes = record.size.load(Ordering::Relaxed);
            self.retire(id, &record);
            give(lent, bytes);
        }
    }

    /// Notes that the page belongs to the object, or nothing, that starts on page `first`.
    fn follow(&self, id: u64, first: u64) {
        if let Some(record) = self.page_record(id) {
            record.block.store(first, Ordering::Relaxed);
            record.state.store(state::FOLLOWS, Ordering::Release);
        }
    }

    /// `pages` fresh pages in a row, at a multiple of `align`; answers the first one's number.
    fn take_pages(&self, heap: &mut Heap, pages: u64, align: u64) -> Option<u64> {
        let front = &mut heap.pages;
        if align <= PAGE_SIZE && front.end - front.next >= pages {
            front.next += pages;
            return Some(front.next - pages);
        }
        let count = pages.div_ceil(PAGES_PER_LARGE);
        let first = self.windows.reserve(count, align)?;
        let opened = (first..first + count)
            .take_while(|&number| self.open_paged(number).is_some())
            .count() as u64;
        let (start, end) = (first * PAGES_PER_LARGE, (first + opened) * PAGES_PER_LARGE);
        if opened < count {
            self.skip(heap, start, end);
            return None;
        }
        // The thread goes on with whatever has more pages left; the others are nobody's.
        let next = start + pages;
        let old = (heap.pages.next, heap.pages.end);
        if end - next > old.1 - old.0 {
            heap.pages = PageFront { next, end };
            self.skip(heap, old.0, old.1);
        } else {
            self.skip(heap, next, end);
        }
        Some(start)
    }

    /// Makes these pages, which no object has had, ones that never will have one.
    fn skip(&self, heap: &mut Heap, start: u64, end: u64) {
        let Some(record) = (start < end).then(|| self.page_record(start)).flatten() else {
            return;
        };
        for id in start + 1..end {
            self.follow(id, start);
        }
        record.pages.store((end - start) as u32, Ordering::Relaxed);
        record.size.store(0, Ordering::Relaxed);
        record.state.store(state::SKIPPED, Ordering::Release);
        self.revoke_paged(heap, start, &record);
    }

    /// Gives window `number` a page table and records.
    fn open_paged(&self, number: u64) -> Option<()> {
        let window = self.windows.record(&self.machine, number)?;
        let slot = self.directory_entry(self.windows.address(number)).ok()?;
        let table = self.allocate_table()?;
        let Some(ledger) = self.take_page_records() else {
            self.give_table(table);
            return None;
        };
        window.set_table(Some(table));
        window.set_live_count(PAGES_PER_LARGE as u32);
        self.windows.note_opened(number, 1);
        window.publish_paged(ledger);
        self.store(slot, Entry::table(table).bits());
        Some(())
    }

    /// Records for the pages of a window.
    fn take_page_records(&self) -> Option<Handle<PageRecord>> {
        let spare = {
            let mut spare = self.paged.spare.lock();
            let taken = super::source::handle_at::<PageRecord>(*spare);
            if let Some(first) = taken {
                *spare = first.next.load(Ordering::Relaxed);
            }
            taken
        };
        let Some(first) = spare else {
            return self.record(LEDGER);
        };
        for index in 0..PAGES_PER_LARGE as usize {
            // SAFETY: a ledger has a record for each page of a window.
            let record = unsafe { first.element(index) };
            record.state.store(state::NOTHING, Ordering::Relaxed);
            record.freed.store(0, Ordering::Relaxed);
        }
        Some(first)
    }

    /// Where page number `id` lies.
    fn page_address(&self, id: u64) -> GuestVirtual {
        self.windows
            .address(id / PAGES_PER_LARGE)
            .add(id % PAGES_PER_LARGE * PAGE_SIZE)
    }

    fn page_window(&self, id: u64) -> Option<Handle<Window>> {
        self.windows.record(&self.machine, id / PAGES_PER_LARGE)
    }

    fn page_record(&self, id: u64) -> Option<Handle<PageRecord>> {
        let first = self.page_window(id)?.page_records()?;
        // SAFETY: a ledger has a record for each page of a window.
        Some(unsafe { first.element((id % PAGES_PER_LARGE) as usize) })
    }

    fn page_entry(&self, id: u64) -> Option<GuestPhysical> {
        let table = self.page_window(id)?.table()?;
        Some(table.add(id % PAGES_PER_LARGE * 8))
    }

    /// The object whose pages hold `at`, in a window that is used so.
    pub(super) fn paged_object_at(&self, number: u64, at: GuestVirtual) -> Option<Object> {
        let page = at.offset_in(LARGE_PAGE_SIZE) / PAGE_SIZE;
        let mut id = number * PAGES_PER_LARGE + page;
        let Some(mut record) = self.page_record(id) else {
            return Some(Object::Forgotten(at));
        };
        if record.state.load(Ordering::Acquire) == state::FOLLOWS {
            id = record.block.load(Ordering::Relaxed);
            record = self.page_record(id)?;
        }
        match record.state.load(Ordering::Acquire) {
            state::LIVE | state::FREED => Some(Object::Paged { id, record }),
            _ => None,
        }
    }

    /// Frees a live object.
    pub(super) fn free_paged(
        &self,
        heap: &mut Heap,
        id: u64,
        record: Handle<PageRecord>,
        stack: StackId,
    ) -> Result<(), FreeError> {
        record
            .state
            .compare_exchange(
                state::LIVE,
                state::FREED,
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .map_err(|_| FreeError::Double)?;
        record.freed.store(stack, Ordering::Relaxed);
        self.revoke_paged(heap, id, &record);
        Ok(())
    }

    /// Revokes freed or skipped pages, now or later.
    fn revoke_paged(&self, heap: &mut Heap, id: u64, record: &PageRecord) {
        let dear = self.machine.directory_edits_are_immediate();
        let unlimited = self.budget.is_unlimited();
        if unlimited && !dear {
            self.revoke_paged_now(id, record);
            return;
        }
        heap.credit -= record.size.load(Ordering::Relaxed) as i64;
        if heap.credit < 0 {
            let now = self.machine.now();
            if unlimited || self.budget.allows(now) {
                if dear {
                    // Its flush serves all that wait.
                    push(&self.paged.queue, id, record);
                    self.drain(heap);
                } else {
                    self.revoke_paged_now(id, record);
                    self.budget.spend_on(now, self.machine.now(), 0);
                }
                return;
            }
            self.queue.add(LOOK - heap.credit);
            heap.credit = LOOK;
        }
        push(&self.paged.queue, id, record);
        if self.is_queue_full() {
            self.drain(heap);
        }
    }

    fn revoke_paged_now(&self, id: u64, record: &PageRecord) {
        self.cut(id, record).redeem(&self.machine);
        self.finish_paged(id, record);
    }

    /// Finishes all queued revocations.
    pub(super) fn drain_paged(&self) {
        let first = self.paged.queue.swap(0, Ordering::AcqRel);
        let mut flush = Flush::empty();
        let mut next = first;
        while let Some((id, record)) = self.listed(next) {
            next = record.next.load(Ordering::Relaxed);
            flush = flush.merge(self.cut(id, &record));
        }
        flush.redeem(&self.machine);
        next = first;
        while let Some((id, record)) = self.listed(next) {
            next = record.next.load(Ordering::Relaxed);
            self.finish_paged(id, &record);
        }
    }

    /// The object that a list's link names.
    fn listed(&self, link: u64) -> Option<(u64, Handle<PageRecord>)> {
        let id = link.checked_sub(1)?;
        Some((id, self.page_record(id)?))
    }

    /// Calls `visit` with each window that pages of an object lie in, the first page's number there
    /// and how many there are.
    fn for_parts(&self, id: u64, record: &PageRecord, mut visit: impl FnMut(&Window, u64, u64)) {
        let end = id + u64::from(record.pages.load(Ordering::Relaxed));
        let mut at = id;
        while at < end {
            let next = ((at / PAGES_PER_LARGE + 1) * PAGES_PER_LARGE).min(end);
            if let Some(window) = self.page_window(at) {
                visit(&window, at, next - at);
            }
            at = next;
        }
    }

    /// Takes away the entries of an object's pages, and the directory entries of windows in which
    /// nothing is left.
    fn cut(&self, id: u64, record: &PageRecord) -> Flush {
        self.for_parts(id, record, |window, first, count| {
            let Some(table) = window.table() else { return };
            for page in first..first + count {
                let entry = table.add(page % PAGES_PER_LARGE * 8);
                self.store(entry, Entry::ABSENT.bits());
            }
            if window.count_out(count as u32) == 0 {
                let at = self.windows.address(first / PAGES_PER_LARGE);
                if let Ok(slot) = self.directory_entry(at) {
                    self.store(slot, Entry::ABSENT.bits());
                }
            }
        });
        if self.machine.directory_edits_are_immediate() {
            // Entries of the lowest level are only seen by a flush of everything there.
            return Flush::all();
        }
        let start = self.page_address(id);
        let pages = u64::from(record.pages.load(Ordering::Relaxed));
        Flush::pages(start, start.add(pages * PAGE_SIZE))
    }

    /// After the flush of this processor: returns the object's memory, or has it wait for the others.
    fn finish_paged(&self, id: u64, record: &PageRecord) {
        if self.epochs.are_needed() {
            let stamp = clock::stamp(self.machine.clock());
            record.epoch.store(stamp, Ordering::Relaxed);
            push(&self.paged.waiting, id, record);
        } else {
            self.return_paged(id, record);
        }
    }

    /// Returns what every processor has flushed by epoch `safe`.
    pub(super) fn collect_paged(&self, safe: u64) {
        let mut next = self.paged.waiting.swap(0, Ordering::AcqRel);
        while let Some((id, record)) = self.listed(next) {
            next = record.next.load(Ordering::Relaxed);
            if record.epoch.load(Ordering::Relaxed) <= safe {
                self.return_paged(id, &record);
            } else {
                push(&self.paged.waiting, id, &record);
            }
        }
    }

    /// Returns the memory of an object that nobody reaches any more.
    fn return_paged(&self, id: u64, record: &PageRecord) {
        if record.state.load(Ordering::Relaxed) == state::FREED {
            let bytes = record.size.load(Ordering::Relaxed);
            let start = GuestPhysical(record.block.load(Ordering::Relaxed));
            let owner = record.owner.load(Ordering::Relaxed);
            self.queue.returned(bytes);
            if owner & LENT != 0 {
                push(&self.paged.ready, id, record);
                return;
            }
            Chunked(self).give(start, owner, bytes.max(1));
        }
        self.retire(id, record);
    }

    /// Counts an object's pages as done with.
    fn retire(&self, id: u64, record: &PageRecord) {
        self.for_parts(id, record, |window, first, count| {
            // How many of its pages are done with is kept where other windows have a bitmap.
            let done = window.revoked[0].fetch_add(count, Ordering::AcqRel) + count;
            if done == PAGES_PER_LARGE {
                if let Some(table) = window.table() {
                    window.set_table(None);
                    self.give_table(table);
                }
                self.keep_dead(first / PAGES_PER_LARGE, window);
            }
        });
    }

    /// Keeps the records of a window that is done with, and forgets the oldest ones.
    fn keep_dead(&self, number: u64, window: &Window) {
        let mut dead = self.paged.dead.lock();
        window.next.store(0, Ordering::Relaxed);
        let newest = dead
            .newest
            .checked_sub(1)
            .and_then(|newest| self.windows.record(&self.machine, newest));
        match newest {
            Some(newest) => newest.next.store(number as u32 + 1, Ordering::Relaxed),
            None => dead.oldest = number + 1,
        }
        dead.newest = number + 1;
        dead.count += 1;
        if dead.count <= KEEP {
            return;
        }
        let oldest = dead
            .oldest
            .checked_sub(1)
            .and_then(|oldest| self.windows.record(&self.machine, oldest));
        let Some(oldest) = oldest else { return };
        dead.oldest = oldest.next.load(Ordering::Relaxed).into();
        dead.count -= 1;
        drop(dead);
        if let Some(ledger) = oldest.take_page_records() {
            let mut spare = self.paged.spare.lock();
            ledger.next.store(*spare, Ordering::Relaxed);
            *spare = ledger.address();
        }
    }

    /// Whether the window's records are still those that the record is one of.
    pub(super) fn is_page_record(&self, id: u64, record: Handle<PageRecord>) -> bool {
        let used = self
            .page_window(id)
            .is_some_and(|window| window.used_as() == Use::Pages);
        used && self.page_record(id) == Some(record)
    }

    /// Gives up what a thread would hand out next.
    pub(super) fn close_pages(&self, heap: &mut Heap) {
        let PageFront { next, end } = core::mem::replace(&mut heap.pages, PageFront::EMPTY);
        self.skip(heap, next, end);
        for (number, slots) in heap.slots.iter_mut().enumerate() {
            Chunked(self).leave_chunk(slots, number);
        }
    }
}
