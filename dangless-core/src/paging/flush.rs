//! The promise to flush stale translations.
//!
//! An edit that takes a translation away is not finished before the processors have forgotten it.
//! Such edits return a [`Flush`]; it can be merged with others and is redeemed by handing it to a
//! [`Flusher`]. Dropping one that still covers something is a bug, and debug builds panic on it.

use crate::address::{GuestVirtual, PAGE_SIZE};

/// Most pages that are flushed one by one; more are cheaper as one full flush.
const MOST_SINGLE: u64 = 32;

/// What makes processors forget translations.
pub trait Flusher {
    /// Forgets the translation of the page that holds `at`, whatever its size.
    fn flush_page(&self, at: GuestVirtual);
    /// Forgets every translation.
    fn flush_all(&self);
}

/// A debt of stale translations, to be paid with [`Flush::redeem`].
#[derive(Debug)]
#[must_use = "stale translations remain until the promise is redeemed"]
pub struct Flush {
    owed: Owed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    Nothing,
    /// From the first address up to, not including, the second.
    Pages(GuestVirtual, GuestVirtual),
    All,
}

impl Flush {
    /// Nothing is owed.
    pub const fn empty() -> Self {
        Self {
            owed: Owed::Nothing,
        }
    }

    /// The page that holds `at`.
    pub const fn page(at: GuestVirtual) -> Self {
        let start = at.align_down(PAGE_SIZE);
        Self {
            owed: Owed::Pages(start, start.add(PAGE_SIZE)),
        }
    }

    /// The pages of `[start, end)`.
    pub const fn pages(start: GuestVirtual, end: GuestVirtual) -> Self {
        if start.0 >= end.0 {
            return Self::empty();
        }
        Self {
            owed: Owed::Pages(start.align_down(PAGE_SIZE), end.align_up(PAGE_SIZE)),
        }
    }

    /// Every page.
    pub const fn all() -> Self {
        Self { owed: Owed::All }
    }

    /// Whether nothing is owed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self.owed, Owed::Nothing)
    }

    /// One promise in place of two. Ranges that do not touch are joined over the gap.
    pub fn merge(self, other: Self) -> Self {
        let owed = match (self.settle(), other.settle()) {
            (Owed::Nothing, owed) | (owed, Owed::Nothing) => owed,
            (Owed::All, _) | (_, Owed::All) => Owed::All,
            (Owed::Pages(start, end), Owed::Pages(from, to)) => {
                Owed::Pages(start.min(from), end.max(to))
            }
        };
        Self { owed }
    }

    /// Flushes what is owed.
    pub fn redeem(self, flusher: &impl Flusher) {
        match self.settle() {
            Owed::Nothing => {}
            Owed::All => flusher.flush_all(),
            Owed::Pages(start, end) if end.0 - start.0 > MOST_SINGLE * PAGE_SIZE => {
                flusher.flush_all();
            }
            Owed::Pages(start, end) => {
                let mut at = start;
                while at < end {
                    flusher.flush_page(at);
                    at = at.add(PAGE_SIZE);
                }
            }
        }
    }

    /// Writes the debt off: the edit was of a kind that takes effect by itself on this machine.
    pub fn waive(self) {
        self.settle();
    }

    /// Takes the debt out, so that the drop check is content.
    fn settle(mut self) -> Owed {
        core::mem::replace(&mut self.owed, Owed::Nothing)
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        debug_assert!(
            self.is_empty(),
            "a flush was owed and forgotten: {:?}",
            self.owed
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    #[derive(Default)]
    struct Counter {
        pages: Cell<u64>,
        all: Cell<u64>,
    }

    impl Flusher for Counter {
        fn flush_page(&self, _at: GuestVirtual) {
            self.pages.set(self.pages.get() + 1);
        }
        fn flush_all(&self) {
            self.all.set(self.all.get() + 1);
        }
    }

    fn cost(flush: Flush) -> (u64, u64) {
        let counter = Counter::default();
        flush.redeem(&counter);
        (counter.pages.get(), counter.all.get())
    }

    #[test]
    fn few_pages_are_flushed_one_by_one() {
        assert_eq!(cost(Flush::empty()), (0, 0));
        assert_eq!(cost(Flush::page(GuestVirtual(0x1234))), (1, 0));
        assert_eq!(
            cost(Flush::pages(GuestVirtual(0x1fff), GuestVirtual(0x3001))),
            (3, 0)
        );
        assert_eq!(
            cost(Flush::pages(GuestVirtual(0), GuestVirtual(1 << 30))),
            (0, 1)
        );
        assert_eq!(cost(Flush::all()), (0, 1));
    }

    #[test]
    fn merging_covers_both() {
        let near = Flush::page(GuestVirtual(0x1000)).merge(Flush::page(GuestVirtual(0x3000)));
        assert_eq!(cost(near), (3, 0));
        let none = Flush::empty()
            .merge(Flush::page(GuestVirtual(0x1000)))
            .merge(Flush::empty());
        assert_eq!(cost(none), (1, 0));
        assert_eq!(
            cost(Flush::all().merge(Flush::page(GuestVirtual(0)))),
            (0, 1)
        );
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "forgotten")]
    fn a_forgotten_flush_is_noticed() {
        drop(Flush::page(GuestVirtual(0x1000)));
    }
}
