//! Which table speaks of which code: one for each object that the program has loaded.
//!
//! It lies in guest memory at [`crate::abi::layout::UNWIND_DIRECTORY`]. Objects come and go while
//! other threads walk their stacks, so a directory never changes in place but for one thing, that a
//! table which was not there yet is: [`publish`] writes the new one beside the old and then makes it
//! the current one, in one store. A walk that was at it for [`VERSIONS`] changes may be misled to a
//! wrong rule, never to memory outside the tables: their addresses are stored whole, and tables stay.

use core::sync::atomic::{AtomicU64, Ordering};

/// Most objects that a directory lists.
pub const MOST: usize = 1024;
/// How many directories there is room for.
pub const VERSIONS: usize = 64;
/// Words of an entry.
const WORDS: usize = 3;
/// Words of one directory.
const LENGTH: usize = MOST * WORDS;
/// Words of the whole: the current directory's number and length, then the directories.
pub const SPACE: usize = 1 + VERSIONS * LENGTH;

/// An entry of an object whose table is not built yet.
pub const UNBUILT: u64 = 0;
/// An entry of an object without a table.
pub const NONE: u64 = 1;

/// One object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// First address of its code.
    pub start: u64,
    /// First address past it.
    pub end: u64,
    /// Address of its table's header, or [`UNBUILT`] or [`NONE`].
    pub table: u64,
}

/// The directories, as both sides see them.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    words: &'a [AtomicU64],
}

impl<'a> Directory<'a> {
    /// Over [`SPACE`] words; fewer hold nothing.
    #[must_use]
    pub const fn new(words: &'a [AtomicU64]) -> Self {
        Self { words }
    }

    /// The current entries' words, and how often it changed.
    fn current(&self) -> (&'a [AtomicU64], u64) {
        let state = self
            .words
            .first()
            .map_or(0, |word| word.load(Ordering::Acquire));
        let (version, count) = (state >> 32, (state & 0xffff_ffff) as usize);
        let start = 1 + (version as usize % VERSIONS) * LENGTH;
        let words = self.words.get(start..start + count.min(MOST) * WORDS);
        (words.unwrap_or_default(), version)
    }

    /// The entry of the object whose code holds `address`.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<Entry> {
        let (words, _) = self.current();
        let load = |index: usize| words.get(index).map_or(0, |w| w.load(Ordering::Relaxed));
        let (mut low, mut high) = (0, words.len() / WORDS);
        while low < high {
            let middle = low + (high - low) / 2;
            if load(middle * WORDS) <= address {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let at = low.checked_sub(1)? * WORDS;
        let entry = Entry {
            start: load(at),
            end: load(at + 1),
            // The table's contents were written before its address.
            table: words.get(at + 2)?.load(Ordering::Acquire),
        };
        (entry.start..entry.end).contains(&address).then_some(entry)
    }

    /// Makes `entries` the current ones, sorted by start and not overlapping; those past [`MOST`]
    /// are left out. One writer at a time.
    pub fn publish(&self, entries: &[Entry]) {
        let (_, version) = self.current();
        let next = version.wrapping_add(1) & 0xffff_ffff;
        let start = 1 + (next as usize % VERSIONS) * LENGTH;
        let count = entries.len().min(MOST);
        let Some(words) = self.words.get(start..start + count * WORDS) else {
            return;
        };
        for (entry, to) in entries.iter().zip(words.chunks_exact(WORDS)) {
            for (word, value) in to.iter().zip([entry.start, entry.end, entry.table]) {
                word.store(value, Ordering::Relaxed);
            }
        }
        if let Some(state) = self.words.first() {
            state.store(next << 32 | count as u64, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn space() -> Vec<AtomicU64> {
        (0..SPACE).map(|_| AtomicU64::new(0)).collect()
    }

    fn entry(start: u64, end: u64, table: u64) -> Entry {
        Entry { start, end, table }
    }

    #[test]
    fn addresses_lead_to_their_object() {
        let words = space();
        let directory = Directory::new(&words);
        assert_eq!(directory.find(0x1000), None);
        let entries = [
            entry(0x1000, 0x2000, UNBUILT),
            entry(0x2000, 0x2800, NONE),
            entry(0x9000, 0xa000, 0x77),
        ];
        directory.publish(&entries);
        assert_eq!(directory.find(0xfff), None);
        assert_eq!(directory.find(0x1000), Some(entries[0]));
        assert_eq!(directory.find(0x1fff), Some(entries[0]));
        assert_eq!(directory.find(0x2000), Some(entries[1]));
        assert_eq!(directory.find(0x2800), None);
        assert_eq!(directory.find(0x9fff), Some(entries[2]));
        assert_eq!(directory.find(u64::MAX), None);
    }

    #[test]
    fn only_the_last_directory_counts_however_often_it_changes() {
        let words = space();
        let directory = Directory::new(&words);
        for round in 0..3 * VERSIONS as u64 {
            let start = 0x1000 * round;
            directory.publish(&[entry(start, start + 0x1000, 8)]);
            assert!(directory.find(start).is_some());
            assert_eq!(directory.find(start.wrapping_sub(1)), None);
        }
        directory.publish(&[]);
        assert_eq!(directory.find(0x1000), None);
    }

    #[test]
    fn too_many_and_too_little_room_are_borne() {
        let words = space();
        let many: Vec<Entry> = (0..2 * MOST as u64).map(|i| entry(i, i + 1, 8)).collect();
        let directory = Directory::new(&words);
        directory.publish(&many);
        assert!(directory.find(MOST as u64 - 1).is_some());
        assert_eq!(directory.find(MOST as u64), None);
        let short = Directory::new(words.get(..100).unwrap_or_default());
        short.publish(&many);
        assert_eq!(Directory::new(&[]).find(1), None);
        Directory::new(&[]).publish(&many);
    }
}
