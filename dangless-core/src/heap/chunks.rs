//! Where chunks come from and where they go: made, shelved, taken again, dissolved.

use core::sync::atomic::Ordering;

use super::blocks::Run;
use super::chunk::{Chunk, State};
use super::class::Class;
use super::handle::Handle;
use super::machine::Machine;
use super::source;
use super::space::Space;
use crate::address::{GuestPhysical, LARGE_PAGE_SIZE};

impl<M: Machine> Space<M> {
    /// An active chunk of class `number` with free objects.
    pub(super) fn chunk_with_room(&self, number: usize) -> Option<Handle<Chunk>> {
        let shelved = {
            let mut shelf = self.shelves[number].lock();
            let chunk = shelf.pop();
            if let Some(chunk) = chunk {
                chunk.set_status(State::Active, number);
            }
            chunk
        };
        shelved.or_else(|| self.new_chunk(number))
    }

    /// A new chunk, active, all objects free.
    fn new_chunk(&self, number: usize) -> Option<Handle<Chunk>> {
        let class = self.class(number);
        let chunk = self.spare_chunk()?;
        let Some(run) = self.blocks.take(&self.machine, 1) else {
            self.put_aside(chunk);
            return None;
        };
        let Some(bitmap) = self
            .arena
            .allocate(&self.machine, &self.blocks, bitmap_bytes(class))
        else {
            self.blocks.give(&self.machine, run);
            self.put_aside(chunk);
            return None;
        };
        chunk.free.set(self.handle(bitmap));
        if self.paged.on {
            source::fill(chunk, class);
        }
        for column in (0..class.columns).filter(|_| !self.paged.on) {
            for index in 0..class.column_words() {
                if let Some(word) = chunk.word(class, column, index) {
                    word.store(class.column_mask(index), Ordering::Relaxed);
                }
            }
        }
        chunk.physical.store(run.start.0, Ordering::Relaxed);
        let zero = run.zero || self.zero_on_free;
        if zero && !run.zero {
            // The heap's own records were there: freed objects leave zeroes.
            self.machine.discard(run.start, LARGE_PAGE_SIZE);
        }
        let fresh = if zero { 0 } else { class.columns };
        chunk.fresh.store(fresh, Ordering::Relaxed);
        chunk.bitmap.store(bitmap.0, Ordering::Relaxed);
        chunk.windows.store(0, Ordering::Relaxed);
        chunk.free_count.store(class.objects, Ordering::SeqCst);
        chunk.set_status(State::Active, number);
        Some(chunk)
    }

    /// Puts a chunk that no front uses where it belongs: on the shelf when it has room, back to
    /// the pool of blocks when it is empty. May be called late, when the record is already used
    /// for another chunk: it then does for that one what would have been done anyway.
    pub(super) fn settle_chunk(&self, chunk: Handle<Chunk>) {
        let (state, number) = chunk.status();
        let Some(class) = self.classes.get(number) else {
            return;
        };
        let worth_a_look = match state {
            State::Spare | State::Active => false,
            State::Used => chunk.has_room(class) || chunk.is_empty(class),
            State::Shelved => chunk.is_empty(class),
        };
        if !worth_a_look {
            return;
        }
        {
            let mut shelf = self.shelves[number].lock();
            // Under the shelf's lock a used or shelved chunk of this class stays one; an empty
            // one has nobody left who could change its counts.
            let now = chunk.status();
            if now != (State::Used, number) && now != (State::Shelved, number) {
                return;
            }
            if !chunk.is_empty(class) {
                if now.0 == State::Used && chunk.has_room(class) {
                    chunk.set_status(State::Shelved, number);
                    shelf.push(chunk);
                }
                return;
            }
            if now.0 == State::Shelved {
                shelf.remove(chunk);
            }
            chunk.set_status(State::Spare, number);
        }
        self.dissolve(chunk, class);
    }

    /// Gives back the memory of a chunk that is empty and was made spare by this thread.
    fn dissolve(&self, chunk: Handle<Chunk>, class: &Class) {
        let zero = chunk.fresh.load(Ordering::Relaxed) == 0 || self.zero_on_free;
        let bitmap = GuestPhysical(chunk.bitmap.load(Ordering::Relaxed));
        let memory = chunk.memory();
        chunk.free.set(None);
        self.give_shared_directories(chunk);
        self.arena.give(&self.machine, bitmap, bitmap_bytes(class));
        self.blocks.give(
            &self.machine,
            Run {
                start: memory,
                blocks: 1,
                zero,
            },
        );
        self.put_aside(chunk);
    }

    /// A chunk record that is not in use.
    fn spare_chunk(&self) -> Option<Handle<Chunk>> {
        let mut spare = self.spare_chunks.lock();
        if let Some(chunk) = *spare {
            *spare = chunk.next.take();
            return Some(chunk);
        }
        drop(spare);
        self.record::<Chunk>(core::mem::size_of::<Chunk>() as u64)
    }

    fn put_aside(&self, chunk: Handle<Chunk>) {
        let mut spare = self.spare_chunks.lock();
        chunk.next.set(*spare);
        *spare = Some(chunk);
    }
}

/// Bytes of a chunk's bitmap.
fn bitmap_bytes(class: &Class) -> u64 {
    u64::from(class.words()) * 8
}
