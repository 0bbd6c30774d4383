//! The stack depot: each distinct stack, with its thread, is kept once and named by a number.
//!
//! A record is a few 64-bit words in a segment of 2 MiB: hash and next of the chain, thread and
//! length, then the frames. It is complete before its number is published and never changes, so
//! lookups take no lock. When there is no memory for a stack its number is 0, "not known": an
//! allocation does not fail for want of room for its stack.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::arena::{pointer, Arena};
use super::blocks::Blocks;
use super::handle::{Handle, Link};
use super::lock::SpinLock;
use super::machine::Machine;
use crate::abi::error::{Frames, MAX_FRAMES};
use crate::address::LARGE_PAGE_SIZE;

/// Number of a stack; 0 is none.
pub type StackId = u32;

const BUCKETS: u32 = 1 << 16;
/// Words of a segment.
const SEGMENT: u32 = (LARGE_PAGE_SIZE / 8) as u32;
/// Most segments: 1 GiB of stacks.
const SEGMENTS: usize = 512;
/// Words before the frames.
const HEADER: u32 = 2;

/// The depot.
pub struct Depot {
    /// Heads of the chains; none where stacks are not recorded.
    buckets: Option<Handle<AtomicU32>>,
    segments: [Link<AtomicU64>; SEGMENTS],
    /// Words in use, segments counted whole; number 0 is skipped.
    used: SpinLock<u32>,
}

impl Depot {
    /// A depot that records nothing.
    #[must_use]
    pub const fn closed() -> Self {
        Self {
            buckets: None,
            segments: [const { Link::empty() }; SEGMENTS],
            used: SpinLock::new(0),
        }
    }

    /// Makes the depot ready to record.
    pub fn open(&mut self, machine: &impl Machine, arena: &Arena, blocks: &Blocks) -> Option<()> {
        let bytes = u64::from(BUCKETS) * 4;
        let at: NonNull<AtomicU32> = pointer(machine, arena.allocate(machine, blocks, bytes)?)?;
        // SAFETY: the piece is zeroed metadata memory for all buckets, and this depot's alone.
        self.buckets = Some(unsafe { Handle::new(at) });
        Some(())
    }

    /// The number of a stack, recorded now if it is new.
    pub fn number(
        &self,
        machine: &impl Machine,
        blocks: &Blocks,
        thread: u64,
        frames: &[u64],
    ) -> StackId {
        let Some(buckets) = self.buckets else {
            return 0;
        };
        let frames = &frames[..frames.len().min(MAX_FRAMES)];
        let hash = hash(thread, frames);
        // SAFETY: there are BUCKETS buckets.
        let bucket = unsafe { buckets.element((hash % BUCKETS) as usize) };
        if let Some(found) = self.find(bucket.load(Ordering::Acquire), hash, thread, frames) {
            return found;
        }
        let mut used = self.used.lock();
        let first = bucket.load(Ordering::Acquire);
        if let Some(found) = self.find(first, hash, thread, frames) {
            return found;
        }
        let words = HEADER + frames.len() as u32;
        let mut at = (*used).max(1);
        if at % SEGMENT + words > SEGMENT || at % SEGMENT == 0 {
            at = at.next_multiple_of(SEGMENT);
        }
        let Some(segment) = self.segments.get((at / SEGMENT) as usize) else {
            return 0;
        };
        if segment.get().is_none() {
            let run = blocks.take(machine, 1);
            let Some(at) = run.and_then(|run| pointer(machine, run.start)) else {
                return 0;
            };
            // SAFETY: the block is metadata memory from now on, and this depot's alone.
            segment.set(Some(unsafe { Handle::new(at) }));
        }
        let record = [
            u64::from(hash) << 32 | u64::from(first),
            thread << 32 | frames.len() as u64,
        ];
        for (index, value) in (at..).zip(record.iter().chain(frames)) {
            if let Some(word) = self.word(index) {
                word.store(*value, Ordering::Relaxed);
            }
        }
        *used = at + words;
        bucket.store(at, Ordering::Release);
        at
    }

    /// Walks the chain from `at`.
    fn find(&self, mut at: StackId, hash: u32, thread: u64, frames: &[u64]) -> Option<StackId> {
        let second = thread << 32 | frames.len() as u64;
        while at != 0 {
            let link = self.word(at)?.load(Ordering::Relaxed);
            let matches = (link >> 32) as u32 == hash
                && self.word(at + 1)?.load(Ordering::Relaxed) == second
                && (at + HEADER..).zip(frames).all(|(index, frame)| {
                    self.word(index)
                        .is_some_and(|word| word.load(Ordering::Relaxed) == *frame)
                });
            if matches {
                return Some(at);
            }
            at = link as u32;
        }
        None
    }

    /// Fills in the stack with this number and answers its thread. A number that is none, or not a
    /// record's, yields nonsense at worst: every read is checked.
    pub fn read(&self, id: StackId, into: &mut Frames) -> u64 {
        *into = Frames::default();
        let header = (id != 0).then(|| self.word(id + 1)).flatten();
        let Some(header) = header.map(|word| word.load(Ordering::Relaxed)) else {
            return 0;
        };
        let length = (header as u32 as usize).min(MAX_FRAMES);
        for (index, frame) in (id.saturating_add(HEADER)..).zip(&mut into.address[..length]) {
            let Some(word) = self.word(index) else { break };
            *frame = word.load(Ordering::Relaxed);
            into.length += 1;
        }
        header >> 32
    }

    fn word(&self, index: u32) -> Option<Handle<AtomicU64>> {
        let segment = self.segments.get((index / SEGMENT) as usize)?.get()?;
        // SAFETY: a segment has SEGMENT words.
        Some(unsafe { segment.element((index % SEGMENT) as usize) })
    }
}

/// Mixes thread and frames; multiplicative, as the inputs are addresses that differ in low bits.
fn hash(thread: u64, frames: &[u64]) -> u32 {
    let mut hash = thread;
    for frame in frames {
        hash = (hash.rotate_left(23) ^ frame).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    ((hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) as u32
}
