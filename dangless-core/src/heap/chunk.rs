//! Chunk records: 2 MiB of physical memory cut into the objects of one class.
//!
//! Records are only ever used again as chunk records, so that a thread that comes late with a
//! handle finds a chunk, if another one, and under the shelf's lock sees which.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::class::{Class, Group, POSITION_SHIFT};
use super::handle::{Handle, Link, Record};
use crate::address::GuestPhysical;

/// Most windows mapped over one chunk at a time: KVM's shadow paging drops everything that maps a
/// frame when that comes to about a thousand.
const MOST_WINDOWS: u32 = 640;

/// Most directories that map nothing but one chunk.
pub const MOST_TURNS: usize = 32;

/// Where a chunk is in its life; changes under the lock of its class's shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// The record is spare.
    Spare = 0,
    /// A front hands out its objects.
    Active = 1,
    /// All objects were handed out, too few have come back.
    Used = 2,
    /// On the shelf, with objects to hand out again.
    Shelved = 3,
}

/// The record of one chunk.
#[repr(C, align(64))]
pub struct Chunk {
    /// A [`State`] in the low byte, the number of the size class above it.
    status: AtomicU32,
    /// Objects in `free`.
    pub free_count: AtomicU32,
    /// Windows open over the chunk.
    pub windows: AtomicU32,
    /// The session in the upper half; below it, [`Class::order`] of the first object that has not
    /// been handed out in it.
    pub cursor: AtomicU64,
    /// Where the chunk's memory is.
    pub physical: AtomicU64,
    /// Groups of columns from this one on were never handed out: their memory is zero.
    pub fresh: AtomicU32,
    /// Guest-physical address of the bitmap.
    pub bitmap: AtomicU64,
    /// Objects that may be handed out, by column and position.
    pub free: Link<AtomicU64>,
    /// Guest-physical addresses of the directories that leases of the chunk share, or 0.
    pub directories: [AtomicU64; MOST_TURNS],
    /// Neighbours on the shelf, under its lock.
    pub previous: Link<Chunk>,
    /// See `previous`.
    pub next: Link<Chunk>,
}

// SAFETY: all fields are atomics or links.
unsafe impl Record for Chunk {}

impl Chunk {
    /// Where the chunk is in its life, and the number of its class.
    #[must_use]
    pub fn status(&self) -> (State, usize) {
        let status = self.status.load(Ordering::SeqCst);
        let state = match status & 0xff {
            1 => State::Active,
            2 => State::Used,
            3 => State::Shelved,
            _ => State::Spare,
        };
        (state, (status >> 8) as usize)
    }

    /// Changes the state, by the one thread that may. Counts read later are no older than the
    /// change: whoever brings a count over a threshold either sees the new state or is seen by
    /// the one who made it.
    pub fn set_status(&self, state: State, class: usize) {
        self.status
            .swap(state as u32 | (class as u32) << 8, Ordering::SeqCst);
    }

    /// Where the chunk's memory is.
    #[must_use]
    pub fn memory(&self) -> GuestPhysical {
        GuestPhysical(self.physical.load(Ordering::Relaxed))
    }

    /// Whether every object is free and nothing maps the chunk.
    #[must_use]
    pub fn is_empty(&self, class: &Class) -> bool {
        self.free_count.load(Ordering::SeqCst) == class.objects
            && self.windows.load(Ordering::SeqCst) == 0
    }

    /// Whether opening new windows over the free objects pays and is allowed.
    #[must_use]
    pub fn has_room(&self, class: &Class) -> bool {
        self.free_count.load(Ordering::SeqCst) >= (class.objects / 4).max(1)
            && self.windows.load(Ordering::SeqCst) + class.columns <= MOST_WINDOWS
    }

    /// Begins another session and answers its number, in the upper half of a word.
    #[must_use]
    pub fn begin_session(&self) -> u64 {
        let session = (self.cursor.load(Ordering::Relaxed) >> 32).wrapping_add(1) << 32;
        self.cursor.store(session, Ordering::Release);
        session
    }

    /// Whether the object at `position` of a window with this key has been handed out. Only the
    /// youngest session can have objects that were not.
    #[must_use]
    #[inline]
    pub fn handed_out(&self, key: u64, position: u32) -> bool {
        key + (u64::from(position) << POSITION_SHIFT) < self.cursor.load(Ordering::Acquire)
    }

    /// Word `index` of a column in the bitmap; `None` past the end.
    #[must_use]
    pub fn word(&self, class: &Class, column: u32, index: u32) -> Option<Handle<AtomicU64>> {
        if column >= class.columns || index >= class.column_words() {
            return None;
        }
        // SAFETY: the bitmap has so many words for each column of the class.
        Some(unsafe {
            self.free
                .get()?
                .element((column * class.column_words() + index) as usize)
        })
    }

    /// Whether the group has enough free objects to be worth its windows.
    #[must_use]
    pub fn is_worth_windows(&self, class: &Class, group: Group) -> bool {
        let columns = group.first_column..group.first_column + group.columns;
        let free: u32 = columns.map(|column| self.free_in(class, column)).sum();
        free >= (class.positions() * group.columns / 8).max(1)
    }

    /// Free objects of a column.
    #[must_use]
    pub fn free_in(&self, class: &Class, column: u32) -> u32 {
        (0..class.column_words())
            .filter_map(|index| self.word(class, column, index))
            .map(|word| word.load(Ordering::Relaxed).count_ones())
            .sum()
    }

    /// Returns objects of a column, given by position, to the free set; answers how many. The
    /// caller counts them in afterwards.
    pub fn put_free(&self, class: &Class, column: u32, objects: &[u64; 8]) -> u32 {
        let mut count = 0;
        for (index, &bits) in (0..).zip(objects) {
            if bits == 0 {
                continue;
            }
            if let Some(word) = self.word(class, column, index) {
                word.fetch_or(bits, Ordering::AcqRel);
                count += bits.count_ones();
            }
        }
        count
    }
}

/// The chunks of one class that have room, oldest first.
pub struct Shelf {
    oldest: Option<Handle<Chunk>>,
    newest: Option<Handle<Chunk>>,
}

impl Shelf {
    /// An empty shelf.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            oldest: None,
            newest: None,
        }
    }

    /// Adds a chunk that is on no shelf.
    pub fn push(&mut self, chunk: Handle<Chunk>) {
        chunk.previous.set(self.newest);
        chunk.next.set(None);
        match self.newest {
            Some(newest) => newest.next.set(Some(chunk)),
            None => self.oldest = Some(chunk),
        }
        self.newest = Some(chunk);
    }

    /// Takes the oldest chunk.
    pub fn pop(&mut self) -> Option<Handle<Chunk>> {
        let chunk = self.oldest?;
        self.remove(chunk);
        Some(chunk)
    }

    /// Takes a chunk out that is on this shelf.
    pub fn remove(&mut self, chunk: Handle<Chunk>) {
        let (previous, next) = (chunk.previous.take(), chunk.next.take());
        match previous {
            Some(previous) => previous.next.set(next),
            None => self.oldest = next,
        }
        match next {
            Some(next) => next.previous.set(previous),
            None => self.newest = previous,
        }
    }
}
