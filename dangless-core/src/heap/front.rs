//! Fronts: where a thread takes objects of one class from.
//!
//! A front goes once through the free objects of one chunk, in the order of their bits, and opens
//! windows over the chunk's columns as it comes to them. What a front lets go of is first taken out
//! of its window, so an object of an older generation is always one that was handed out.

use core::sync::atomic::{AtomicU64, Ordering};

use super::chunk::{Chunk, State};
use super::class::{Class, Group, MOST_COLUMNS, MOST_GROUPS};
use super::handle::Handle;
use super::ledger::{Entry, Ledger};
use super::machine::Machine;
use super::space::Space;
use super::window::{bit_of, Use, Window};
use super::OutOfMemory;
use crate::address::{GuestVirtual, LARGE_PAGE_SIZE};
use crate::paging::{Entry as TableEntry, Flags};

/// Objects handed out at a time while the front still opens windows: few, so that a program with
/// few objects does not pay for the windows of all columns.
const FIRST_STEPS: u32 = 8;

/// The objects a thread hands out next.
pub struct Front {
    /// Objects ready to be handed out: bits of `base` and up.
    word: u64,
    base: u32,
    /// The columns of all bits of `base` and up in its word.
    group: Group,
    /// Upper half of the chunk's cursor.
    generation: u32,
    chunk: Option<Handle<Chunk>>,
    /// Start of the window of the group's first column.
    windows: GuestVirtual,
    /// First window of each group of columns that was come to, as number + 1.
    first_windows: [u64; MOST_GROUPS as usize],
    /// Entry of the object with bit `base`.
    entries: Option<Handle<Entry>>,
    ledger: Option<Handle<Ledger>>,
    /// Objects of the current word that are not in `word` yet.
    rest: u64,
    /// The next word to take.
    next: u32,
    /// Columns without a window.
    unopened: [u64; MOST_COLUMNS as usize / 64],
    /// How many of them, or of those that have no free object, there are.
    left: u32,
    /// Columns that are no longer handed out; their objects stay in the chunk's `open`.
    dropped: [u64; MOST_COLUMNS as usize / 64],
    /// How many of them there are.
    lost: u32,
    /// Columns of the class.
    columns: u32,
    fresh: bool,
}

/// An object that a front handed out.
pub struct Taken {
    /// Its address.
    pub at: GuestVirtual,
    /// Its entry in the ledger, where there is one.
    pub entry: Option<Handle<Entry>>,
    /// Its memory was never used.
    pub zero: bool,
}

impl Front {
    /// A front with nothing to hand out.
    pub const EMPTY: Self = Self {
        word: 0,
        base: 0,
        group: Group::NONE,
        generation: 0,
        chunk: None,
        windows: GuestVirtual(0),
        first_windows: [0; MOST_GROUPS as usize],
        entries: None,
        ledger: None,
        rest: 0,
        next: 0,
        unopened: [0; MOST_COLUMNS as usize / 64],
        left: 0,
        dropped: [0; MOST_COLUMNS as usize / 64],
        lost: 0,
        columns: 0,
        fresh: false,
    };

    /// The next object, if one is ready.
    #[inline]
    pub fn take(&mut self, class: &Class) -> Option<Taken> {
        let chunk = self.chunk?;
        if self.word == 0 {
            return None;
        }
        let index = self.word.trailing_zeros();
        self.word &= self.word - 1;
        let bit = self.base + index;
        let (position, column) = self.group.place(bit);
        let entry = self.entries.map(|entries| {
            // SAFETY: the 64 objects of a word have their entries in one leaf.
            unsafe { entries.element(index as usize) }
        });
        chunk.cursor.store(
            Chunk::cursor_at(self.generation, bit + 1),
            Ordering::Release,
        );
        let window = u64::from(column - self.group.first_column) * LARGE_PAGE_SIZE;
        let at = self
            .windows
            .add(window + u64::from(class.offset(position, column)));
        Some(Taken {
            at,
            entry,
            zero: self.fresh,
        })
    }

    /// The chunk, if the front hands out from this window, which is of `column`.
    pub fn serves(&self, window: Handle<Window>, column: u32) -> Option<Handle<Chunk>> {
        let chunk = self.chunk?;
        let same = window.chunk.get()? == chunk
            && window.generation.load(Ordering::Relaxed) == self.generation;
        (same && self.has_open(column)).then_some(chunk)
    }

    /// Whether the column has a window that objects are handed out from.
    pub fn has_open(&self, column: u32) -> bool {
        let (at, mask) = (column as usize / 64, 1 << (column % 64));
        (self.unopened[at] | self.dropped[at]) & mask == 0
    }

    /// Number of the column's window, if there can be one.
    pub fn window(&self, class: &Class, column: u32) -> Option<u64> {
        let group = class.group_of_column(column);
        let first = self.first_windows[group.index as usize].checked_sub(1)?;
        Some(first + u64::from(column - group.first_column))
    }

    /// The chunk that the front hands out.
    pub const fn chunk(&self) -> Option<Handle<Chunk>> {
        self.chunk
    }

    /// Calls `visit` with first and number of the windows that the front has come to.
    pub fn for_windows(&self, class: &Class, mut visit: impl FnMut(u64, u64)) {
        if self.chunk.is_none() {
            return;
        }
        for (group, first) in class.groups().zip(self.first_windows) {
            if let Some(first) = first.checked_sub(1) {
                visit(first, group.columns.into());
            }
        }
    }

    /// Whether so many columns are lost that a new generation is better.
    pub const fn is_worn(&self) -> bool {
        self.lost * 2 > self.columns - self.left
    }

    /// Hands out nothing of the column any more.
    pub fn drop_column(&mut self, class: &Class, chunk: Handle<Chunk>, column: u32) {
        self.dropped[column as usize / 64] |= 1 << (column % 64);
        self.lost += 1;
        let mut ready = self.word;
        let mut back = 0;
        while ready != 0 {
            let bit = ready & ready.wrapping_neg();
            ready ^= bit;
            if self.group.place(self.base + bit.trailing_zeros()).1 == column {
                back |= bit;
            }
        }
        self.word ^= back;
        if let Some(open) = Chunk::word(class, &chunk.open, self.base / 64) {
            open.store(open.load(Ordering::Relaxed) | back, Ordering::Relaxed);
        }
    }

    /// Makes objects of the current word ready.
    fn ready(&mut self, class: &Class, chunk: Handle<Chunk>, bits: u64) {
        self.word |= bits;
        self.rest &= !bits;
        if let Some(open) = Chunk::word(class, &chunk.open, self.base / 64) {
            open.store(open.load(Ordering::Relaxed) & !bits, Ordering::Relaxed);
        }
    }
}

impl<M: Machine> Space<M> {
    /// The next object of `front`, which is for class `number`; finds a new chunk when it must.
    #[cold]
    #[inline(never)]
    pub(super) fn take_slowly(
        &self,
        front: &mut Front,
        number: usize,
    ) -> Result<Taken, OutOfMemory> {
        let class = self.class(number);
        loop {
            if let Some(taken) = front.take(class) {
                return Ok(taken);
            }
            let Some(chunk) = front.chunk else {
                if self.is_waiting() {
                    self.catch_up();
                    self.collect();
                }
                *front = self.new_front(number)?;
                continue;
            };
            if !self.refill(front, chunk, number)? {
                self.retire(front, chunk, number);
            }
        }
    }

    /// Makes more objects of the front's chunk ready; answers whether there were any.
    fn refill(
        &self,
        front: &mut Front,
        chunk: Handle<Chunk>,
        number: usize,
    ) -> Result<bool, OutOfMemory> {
        let class = self.class(number);
        while front.rest == 0 {
            let Some(word) = Chunk::word(class, &chunk.open, front.next) else {
                return Ok(false);
            };
            self.enter_group(front, class.group_of_bit(front.next * 64))?;
            front.base = front.next * 64;
            front.rest = word.load(Ordering::Relaxed);
            front.entries = None;
            front.next += 1;
        }
        if let (None, Some(ledger)) = (front.entries, front.ledger) {
            front.entries = Some(self.entry_for(ledger, front.base).ok_or(OutOfMemory)?);
        }
        if front.left == 0 && front.lost == 0 {
            front.ready(class, chunk, front.rest);
            return Ok(true);
        }
        for _ in 0..FIRST_STEPS {
            if front.rest == 0 {
                break;
            }
            let first = front.rest & front.rest.wrapping_neg();
            let (_, column) = front.group.place(front.base + first.trailing_zeros());
            let (at, mask) = (column as usize / 64, 1 << (column % 64));
            if front.dropped[at] & mask != 0 {
                front.rest ^= first;
                continue;
            }
            if front.unopened[at] & mask != 0 {
                if let Err(error) = self.open_window(front, chunk, number, column) {
                    // What is ready already can still be handed out.
                    return if front.word == 0 {
                        Err(error)
                    } else {
                        Ok(true)
                    };
                }
                front.unopened[at] &= !mask;
                front.left -= 1;
            }
            front.ready(class, chunk, first);
        }
        Ok(true)
    }

    /// Makes `group` the front's, with windows for its columns.
    fn enter_group(&self, front: &mut Front, group: Group) -> Result<(), OutOfMemory> {
        let place = &mut front.first_windows[group.index as usize];
        if *place == 0 {
            let first = self
                .reserve_windows(group.columns.into(), LARGE_PAGE_SIZE)
                .ok_or(OutOfMemory)?;
            *place = first + 1;
            if let Some(ledger) = front.ledger {
                ledger.first[group.index as usize].store(first + 1, Ordering::Relaxed);
            }
            front.windows = self.windows.address(first);
        }
        front.group = group;
        Ok(())
    }

    /// Opens the window of `column` over the front's chunk.
    fn open_window(
        &self,
        front: &Front,
        chunk: Handle<Chunk>,
        number: usize,
        column: u32,
    ) -> Result<(), OutOfMemory> {
        let class = self.class(number);
        let window_number = front.window(class, column).ok_or(OutOfMemory)?;
        let at = self.windows.address(window_number);
        let window = self
            .windows
            .record(&self.machine, window_number)
            .ok_or(OutOfMemory)?;
        let slot = self.directory_entry(at).map_err(|_| OutOfMemory)?;
        // Nothing fails from here on.
        let served = served(class, chunk, column, front.fresh);
        for ((word, live), bits) in window.served.iter().zip(&window.live).zip(served) {
            word.store(bits, Ordering::Relaxed);
            live.store(bits, Ordering::Relaxed);
        }
        let count: u32 = served.iter().map(|bits| bits.count_ones()).sum();
        window.class.store(number as u8, Ordering::Relaxed);
        window.column.store(column as u8, Ordering::Relaxed);
        window.unfreed.store(count, Ordering::Relaxed);
        window.generation.store(front.generation, Ordering::Relaxed);
        window.chunk.set(Some(chunk));
        window.ledger.set(front.ledger);
        chunk.windows.fetch_add(1, Ordering::SeqCst);
        if let Some(ledger) = front.ledger {
            ledger.users.fetch_add(1, Ordering::Relaxed);
        }
        window.publish(Use::Column);
        let leaf = TableEntry::large(chunk.memory(), Flags::DATA);
        crate::paging::TableMemory::store(self, slot, leaf.bits());
        Ok(())
    }

    /// Gives up a front; the objects of its dropped columns, and of those that were never opened,
    /// are free again.
    pub(super) fn retire(&self, front: &mut Front, chunk: Handle<Chunk>, number: usize) {
        if front.lost > 0 || front.left > 0 {
            let class = self.class(number);
            let mut left = 0;
            for index in 0..class.words() {
                let free = Chunk::word(class, &chunk.free, index);
                let open = Chunk::word(class, &chunk.open, index);
                if let (Some(free), Some(open)) = (free, open) {
                    let bits = open.load(Ordering::Relaxed);
                    if bits != 0 {
                        free.fetch_or(bits, Ordering::AcqRel);
                        left += bits.count_ones();
                    }
                }
            }
            chunk.free_count.fetch_add(left, Ordering::SeqCst);
        }
        if let Some(ledger) = front.ledger {
            self.leave_ledger(ledger);
        }
        *front = Front::EMPTY;
        chunk.fresh.store(0, Ordering::Relaxed);
        chunk.set_status(State::Used, number);
        self.settle_chunk(chunk);
    }

    /// A front over a chunk of the shelf, or over a new one.
    fn new_front(&self, number: usize) -> Result<Front, OutOfMemory> {
        let class = self.class(number);
        let chunk = self.chunk_with_room(number).ok_or(OutOfMemory)?;
        let mut ledger = None;
        if self.detect {
            ledger = self.open_ledger(number);
            if ledger.is_none() {
                return self.put_back(chunk, number);
            }
        }
        let mut taken = 0;
        for index in 0..class.words() {
            let free = Chunk::word(class, &chunk.free, index);
            let open = Chunk::word(class, &chunk.open, index);
            if let (Some(free), Some(open)) = (free, open) {
                let bits = free.swap(0, Ordering::AcqRel);
                open.store(bits, Ordering::Relaxed);
                taken += bits.count_ones();
            }
        }
        chunk.free_count.fetch_sub(taken, Ordering::SeqCst);
        let generation = chunk.generation().wrapping_add(1);
        chunk
            .cursor
            .store(Chunk::cursor_at(generation, 0), Ordering::Release);
        let mut unopened = [0; MOST_COLUMNS as usize / 64];
        for (at, columns) in unopened.iter_mut().enumerate() {
            let here = class.columns.saturating_sub(at as u32 * 64).min(64);
            *columns = if here == 0 {
                0
            } else {
                u64::MAX >> (64 - here)
            };
        }
        Ok(Front {
            generation,
            chunk: Some(chunk),
            ledger,
            unopened,
            left: class.columns,
            columns: class.columns,
            fresh: chunk.fresh.load(Ordering::Relaxed) != 0,
            ..Front::EMPTY
        })
    }

    fn put_back(&self, chunk: Handle<Chunk>, number: usize) -> Result<Front, OutOfMemory> {
        chunk.set_status(State::Used, number);
        self.settle_chunk(chunk);
        Err(OutOfMemory)
    }
}

/// The objects of `column` that are in the chunk's current generation, by position.
fn served(class: &Class, chunk: Handle<Chunk>, column: u32, all: bool) -> [u64; 8] {
    let mut served = [0; 8];
    let Some(open) = chunk.open.get() else {
        return served;
    };
    let group = class.group_of_column(column);
    for position in 0..class.positions() {
        let bit = group.bit(position, column);
        let (word, mask) = bit_of(position);
        if all || is_open(class, open, bit) {
            served[word] |= mask;
        }
    }
    served
}

fn is_open(class: &Class, open: Handle<AtomicU64>, bit: u32) -> bool {
    if bit >= class.objects {
        return false;
    }
    // SAFETY: the bitmap has a bit for every object of the class.
    let word = unsafe { open.element(bit as usize / 64) };
    word.load(Ordering::Relaxed) & 1 << (bit % 64) != 0
}
