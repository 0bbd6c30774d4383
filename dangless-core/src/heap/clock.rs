//! The epoch protocol itself, over a clock and one word for each processor: see `epoch`.
//!
//! Stands alone, so that `tests/loom` can run it through every interleaving.

use crate::sync::{fence, AtomicU64, Ordering};

/// A word that is no longer 0, of a processor that has not flushed yet.
const ENTERED: u64 = 1;

/// After an edit: the epoch in which it is flushed.
pub fn stamp(clock: &AtomicU64) -> u64 {
    fence(Ordering::SeqCst);
    clock.load(Ordering::SeqCst) + 1
}

/// Flushes on the processor whose word this is, if others have advanced the clock or it was
/// outside. `flush` is a full barrier, as the instructions are.
pub fn catch_up(clock: &AtomicU64, word: &AtomicU64, flush: impl FnOnce()) {
    let outside = word.load(Ordering::Relaxed) == 0;
    if outside {
        word.store(ENTERED, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }
    let now = clock.load(Ordering::SeqCst);
    if outside || word.load(Ordering::Relaxed) != now {
        flush();
        word.store(now, Ordering::SeqCst);
    }
}

/// The processor whose word this is runs nothing more until it catches up.
pub fn leave(word: &AtomicU64) {
    word.store(0, Ordering::SeqCst);
}

/// The latest epoch that every processor has flushed in.
pub fn flushed_by_all<'w>(clock: &AtomicU64, words: impl Iterator<Item = &'w AtomicU64>) -> u64 {
    let now = clock.load(Ordering::SeqCst);
    words
        .map(|word| word.load(Ordering::SeqCst))
        .filter(|&word| word != 0)
        .fold(now, u64::min)
}

/// Begins a new epoch, if all have flushed in the last one: sooner would only make them flush more
/// often.
pub fn advance(clock: &AtomicU64, flushed_by_all: u64) {
    if flushed_by_all == clock.load(Ordering::SeqCst) {
        clock.fetch_add(1, Ordering::SeqCst);
    }
}
