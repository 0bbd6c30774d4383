//! A stack of numbered records that any thread may push to and that is taken whole.
//!
//! Who pushes makes sure that the record is in no list that is linked by the same field; as nothing
//! is ever taken singly, a head that comes again is no danger. Stands alone, for `tests/loom`.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// The head: a record's number + 1, or 0.
pub struct Stack {
    head: AtomicU64,
}

impl Stack {
    /// An empty stack around its head, which is 0.
    #[must_use]
    pub const fn new(head: AtomicU64) -> Self {
        Self { head }
    }

    /// Whether nothing was pushed since it was last taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed) == 0
    }

    /// Adds record `number`, whose link is `next`.
    pub fn push(&self, number: u64, next: &AtomicU32) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            next.store(head as u32, Ordering::Relaxed);
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

    /// Takes all: the number of the first record + 1, or 0.
    pub fn take(&self) -> u64 {
        self.head.swap(0, Ordering::AcqRel)
    }
}
