//! Block sources: where objects lie in physical memory when every one has pages of its own.
//!
//! The classic scheme ([`paged`](super::paged)) only wants memory for one object at a time, and says
//! when nobody reaches it any more: any allocator will do. [`Chunked`] takes it from our own chunks,
//! whose objects are then handed out page after page without windows over them. [`Lent`] blocks come from elsewhere,
//! one call at a time.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use super::blocks::Run;
use super::chunk::{Chunk, State};
use super::class::{self, Class, CLASSES};
use super::handle::{Handle, Record};
use super::machine::Machine;
use super::space::Space;
use crate::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};

/// Physical memory for one object.
#[derive(Clone, Copy)]
pub struct Block {
    /// Where it starts.
    pub start: GuestPhysical,
    /// Pages that the object gets of its own.
    pub pages: u64,
    /// What the source knows it by.
    pub owner: u64,
    /// Every byte is zero.
    pub zero: bool,
}

/// A block of an allocator that the heap does not call itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lent {
    /// What that allocator knows it by; even.
    pub owner: u64,
    /// Where the object is to start.
    pub start: GuestVirtual,
}

/// Set in the owner of a lent block.
pub const LENT: u64 = 1;

/// Hands out blocks and takes them back.
pub trait BlockSource {
    /// What a thread has for itself.
    type Own;
    /// A block of `bytes`, aligned to `align`, at most a page.
    fn take(&self, own: &mut Self::Own, bytes: u64, align: u64) -> Option<Block>;
    /// Takes back a block for `bytes` that nothing reaches any more. `owner` and `start` are the
    /// block's.
    fn give(&self, start: GuestPhysical, owner: u64, bytes: u64);
}

/// The objects of one class that a thread hands out next.
pub struct Slots {
    chunk: Option<Handle<Chunk>>,
    /// Free objects of the word before `next_word`.
    word: u64,
    next_word: u32,
    zero: bool,
}

impl Slots {
    /// Nothing to hand out.
    pub const EMPTY: Self = Self {
        chunk: None,
        word: 0,
        next_word: 0,
        zero: false,
    };
}

/// Our own chunks, and runs of blocks for what is larger. The chunks' bitmaps have the objects in
/// the order in which they lie.
pub struct Chunked<'s, M: Machine>(pub &'s Space<M>);

impl<M: Machine> BlockSource for Chunked<'_, M> {
    type Own = [Slots; CLASSES];

    fn take(&self, own: &mut Self::Own, bytes: u64, align: u64) -> Option<Block> {
        let Some(number) = class::number_for(bytes, align) else {
            let run = self
                .0
                .blocks
                .take(&self.0.machine, bytes.div_ceil(LARGE_PAGE_SIZE))?;
            return Some(Block {
                start: run.start,
                pages: bytes.div_ceil(PAGE_SIZE),
                owner: 0,
                zero: run.zero,
            });
        };
        let class = self.0.class(number);
        let (chunk, index, zero) = self.take_slot(own.get_mut(number)?, number)?;
        let position = index / class.columns;
        Some(Block {
            start: chunk
                .memory()
                .add(class.offset(position, index % class.columns).into()),
            pages: class.pages.into(),
            owner: chunk.address(),
            zero,
        })
    }

    fn give(&self, start: GuestPhysical, owner: u64, bytes: u64) {
        let Some(chunk) = NonNull::new(owner as *mut Chunk) else {
            let blocks = bytes.div_ceil(LARGE_PAGE_SIZE);
            return self.0.give_blocks(start, blocks);
        };
        // SAFETY: owners are the addresses of handles on chunks, whose records are never given back.
        let chunk = unsafe { Handle::new(chunk) };
        // The object is one of the chunk's, so the chunk and its class stay until it is counted in.
        let (_, number) = chunk.status();
        let class = self.0.class(number);
        let inside = start.0.wrapping_sub(chunk.memory().0) as u32;
        let row = inside / class.stride();
        let index = row * class.columns + inside % class.stride() / class.size;
        if self.0.zero_on_free {
            self.0.wipe(start, class.size.into());
        }
        if let Some(word) = word(chunk, class, index / 64) {
            word.fetch_or(1 << (index % 64), Ordering::AcqRel);
            chunk.free_count.fetch_add(1, Ordering::SeqCst);
            self.0.settle_chunk(chunk);
        }
    }
}

impl<M: Machine> Chunked<'_, M> {
    /// The next free object: its chunk, its number there, and whether it reads zero.
    fn take_slot(&self, slots: &mut Slots, number: usize) -> Option<(Handle<Chunk>, u32, bool)> {
        let class = self.0.class(number);
        loop {
            let chunk = match slots.chunk {
                Some(chunk) => chunk,
                None => {
                    let chunk = self.0.chunk_with_room(number)?;
                    slots.zero = chunk.fresh.swap(class.columns, Ordering::Relaxed) == 0
                        || self.0.zero_on_free;
                    slots.next_word = 0;
                    slots.chunk = Some(chunk);
                    chunk
                }
            };
            if slots.word != 0 {
                let bit = slots.word.trailing_zeros();
                slots.word &= slots.word - 1;
                return Some((chunk, (slots.next_word - 1) * 64 + bit, slots.zero));
            }
            if let Some(word) = word(chunk, class, slots.next_word) {
                slots.word = word.swap(0, Ordering::AcqRel);
                slots.next_word += 1;
                chunk
                    .free_count
                    .fetch_sub(slots.word.count_ones(), Ordering::SeqCst);
                continue;
            }
            self.leave_chunk(slots, number);
        }
    }

    /// Gives up the objects of a class that were not handed out.
    pub fn leave_chunk(&self, slots: &mut Slots, number: usize) {
        let Some(chunk) = slots.chunk.take() else {
            return;
        };
        let left = core::mem::take(&mut slots.word);
        if left != 0 {
            if let Some(word) = word(chunk, self.0.class(number), slots.next_word - 1) {
                word.fetch_or(left, Ordering::AcqRel);
                chunk
                    .free_count
                    .fetch_add(left.count_ones(), Ordering::SeqCst);
            }
        }
        chunk.set_status(State::Used, number);
        self.0.settle_chunk(chunk);
    }
}

/// Word `index` of a bitmap that has the objects in the order in which they lie.
fn word(chunk: Handle<Chunk>, class: &Class, index: u32) -> Option<Handle<AtomicU64>> {
    if index >= class.objects.div_ceil(64) {
        return None;
    }
    // SAFETY: the bitmap has at least a bit for each object.
    Some(unsafe { chunk.free.get()?.element(index as usize) })
}

/// Marks all objects of a new chunk free, in the order in which they lie.
pub fn fill(chunk: Handle<Chunk>, class: &Class) {
    for index in 0..class.objects.div_ceil(64) {
        if let Some(word) = word(chunk, class, index) {
            let left = class.objects - index * 64;
            let bits = if left < 64 {
                u64::MAX >> (64 - left)
            } else {
                u64::MAX
            };
            word.store(bits, Ordering::Relaxed);
        }
    }
}

impl<M: Machine> Space<M> {
    /// Zeroes memory that is free and that nothing reaches.
    pub(super) fn wipe(&self, start: GuestPhysical, bytes: u64) {
        // SAFETY: the range was an object's; nobody reaches it until it is handed out again.
        unsafe { self.machine.direct(start).write_bytes(0, bytes as usize) };
    }

    /// Returns blocks that were in use to the pool.
    pub(super) fn give_blocks(&self, start: GuestPhysical, blocks: u64) {
        if self.zero_on_free {
            self.machine.discard(start, blocks * LARGE_PAGE_SIZE);
        }
        let run = Run {
            start,
            blocks,
            zero: self.zero_on_free,
        };
        self.blocks.give(&self.machine, run);
    }
}

/// A handle from its address in a record.
pub fn handle_at<T: Record>(address: u64) -> Option<Handle<T>> {
    let at = NonNull::new(address as *mut T)?;
    // SAFETY: callers pass addresses that came from handles.
    Some(unsafe { Handle::new(at) })
}
