//! Chunk records: 2 MiB of physical memory cut into the objects of one class.
//!
//! Records are only ever used again as chunk records, so that a thread that comes late with a
//! handle finds a chunk, if another one, and under the shelf's lock sees which.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::class::Class;
use super::handle::{Handle, Link, Record};
use crate::address::GuestPhysical;

/// Most windows mapped over one chunk at a time: KVM's shadow paging drops everything that maps a
/// frame when that comes to about a thousand.
const MOST_WINDOWS: u32 = 640;

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
    /// Generation in the upper half; bits below the lower half have been handed out in it.
    pub cursor: AtomicU64,
    /// Where the chunk's memory is.
    pub physical: AtomicU64,
    /// Whether no object of the chunk was ever handed out: all is zero.
    pub fresh: AtomicU32,
    /// Guest-physical address of the bitmaps, `open` after `free`.
    pub bitmaps: AtomicU64,
    /// Objects that may be handed out in the next generation, by bit.
    pub free: Link<AtomicU64>,
    /// Objects of this generation, by bit; read and written by the front's owner alone.
    pub open: Link<AtomicU64>,
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

    /// The cursor word for generation `generation` with all bits below `bit` handed out.
    #[must_use]
    pub const fn cursor_at(generation: u32, bit: u32) -> u64 {
        (generation as u64) << 32 | bit as u64
    }

    /// The current generation.
    #[must_use]
    pub fn generation(&self) -> u32 {
        (self.cursor.load(Ordering::Relaxed) >> 32) as u32
    }

    /// Whether object `bit` of a window of `generation` has been handed out. Only the youngest
    /// generation can have objects that were not.
    #[must_use]
    pub fn handed_out(&self, generation: u32, bit: u32) -> bool {
        let cursor = self.cursor.load(Ordering::Acquire);
        (cursor >> 32) as u32 != generation || bit < cursor as u32
    }

    /// Word `index` of a bitmap of the chunk; `None` past the end.
    #[must_use]
    pub fn word(class: &Class, bitmap: &Link<AtomicU64>, index: u32) -> Option<Handle<AtomicU64>> {
        if index >= class.words() {
            return None;
        }
        // SAFETY: each bitmap has as many words as the class says.
        Some(unsafe { bitmap.get()?.element(index as usize) })
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
