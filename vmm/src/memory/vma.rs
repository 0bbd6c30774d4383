//! What is mapped where: the areas of the program's address space.
//!
//! Pure bookkeeping over page-aligned ranges; no memory is touched here. Areas never overlap.

use std::collections::BTreeMap;
use std::ops::Range;

/// What backs an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// Private memory that starts as zeroes.
    Anonymous,
    /// A host mapping: a file, or memory shared with other processes. Touching it may raise SIGBUS.
    Host {
        /// Whether `mprotect` may make it writable.
        may_write: bool,
        /// Whether what is written is not the program's alone.
        shared: bool,
    },
    /// Memory of the host that the guest may only read ([`Physical::attach`]). What is added to an
    /// address gives the guest-physical one.
    ///
    /// [`Physical::attach`]: super::physical::Physical::attach
    Attached(u64),
}

/// What a forked child does not get, though its parent has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    /// The mapping (`MADV_DONTFORK`).
    pub mapping: bool,
    /// What is in it (`MADV_WIPEONFORK`).
    pub contents: bool,
}

/// One area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// `PROT_*`
    pub protection: i32,
    /// What is behind it.
    pub backing: Backing,
    /// What children do not get of it.
    pub withheld: Withheld,
}

impl Area {
    /// An area that children get as it is.
    #[must_use]
    pub fn new(protection: i32, backing: Backing) -> Self {
        Self {
            protection,
            backing,
            withheld: Withheld::default(),
        }
    }

    /// Whether the program may write to what others may have, too.
    #[must_use]
    pub const fn is_written_shared(&self) -> bool {
        matches!(self.backing, Backing::Host { shared: true, .. })
            && self.protection & libc::PROT_WRITE != 0
    }
}

/// The areas of an address space.
#[derive(Default)]
pub struct Areas {
    /// Start to (end, area).
    map: BTreeMap<u64, (u64, Area)>,
}

impl Areas {
    /// The area that holds `at`, with its range.
    #[must_use]
    pub fn find(&self, at: u64) -> Option<(Range<u64>, Area)> {
        let (&start, &(end, area)) = self.map.range(..=at).next_back()?;
        (at < end).then_some((start..end, area))
    }

    /// The areas that meet `range`, cut to it, in order.
    #[must_use]
    pub fn within(&self, range: Range<u64>) -> Vec<(Range<u64>, Area)> {
        let first = self
            .find(range.start)
            .map_or(range.start, |(found, _)| found.start);
        self.map
            .range(first..range.end)
            .map(|(&start, &(end, area))| (start.max(range.start)..end.min(range.end), area))
            .filter(|(part, _)| part.start < part.end)
            .collect()
    }

    /// Whether anything is mapped in `range`.
    #[must_use]
    pub fn is_occupied(&self, range: &Range<u64>) -> bool {
        self.map
            .range(..range.end)
            .next_back()
            .is_some_and(|(_, &(end, _))| end > range.start)
    }

    /// Whether all of `range` is mapped.
    #[must_use]
    pub fn is_covered(&self, range: &Range<u64>) -> bool {
        let mut at = range.start;
        while at < range.end {
            match self.find(at) {
                Some((found, _)) => at = found.end,
                None => return false,
            }
        }
        true
    }

    /// Adds an area where nothing is mapped; joins equal anonymous neighbours.
    pub fn insert(&mut self, range: Range<u64>, area: Area) {
        let mut range = range;
        if area.backing == Backing::Anonymous {
            if let Some((&before, &(end, other))) = self.map.range(..range.start).next_back() {
                if end == range.start && other == area {
                    self.map.remove(&before);
                    range.start = before;
                }
            }
            if let Some(&(end, other)) = self.map.get(&range.end) {
                if other == area {
                    self.map.remove(&range.end);
                    range.end = end;
                }
            }
        }
        self.map.insert(range.start, (range.end, area));
    }

    /// Removes whatever is mapped in `range`, and returns it.
    pub fn remove(&mut self, range: &Range<u64>) -> Vec<(Range<u64>, Area)> {
        let removed = self.within(range.clone());
        for (part, area) in &removed {
            let Some((whole, _)) = self.find(part.start) else {
                continue;
            };
            self.map.remove(&whole.start);
            if whole.start < part.start {
                self.map.insert(whole.start, (part.start, *area));
            }
            if part.end < whole.end {
                self.map.insert(part.end, (whole.end, *area));
            }
        }
        removed
    }

    /// The highest free range of `length` bytes within `bounds`; `length` is not 0.
    #[must_use]
    pub fn highest_gap(&self, length: u64, bounds: Range<u64>) -> Option<u64> {
        let mut top = bounds.end;
        for (&start, &(end, _)) in self.map.range(..bounds.end).rev() {
            if end <= bounds.start {
                break;
            }
            if top
                .checked_sub(end.max(bounds.start))
                .is_some_and(|gap| gap >= length)
            {
                return Some(top - length);
            }
            top = top.min(start);
        }
        top.checked_sub(bounds.start)
            .is_some_and(|gap| gap >= length)
            .then(|| top - length)
    }

    /// All areas, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Range<u64>, Area)> + '_ {
        self.map
            .iter()
            .map(|(&start, &(end, area))| (start..end, area))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_shared_and_writable_is_written_shared() {
        let area = |protection, shared| {
            let may_write = true;
            Area::new(protection, Backing::Host { may_write, shared })
        };
        assert!(area(libc::PROT_READ | libc::PROT_WRITE, true).is_written_shared());
        assert!(!area(libc::PROT_READ, true).is_written_shared());
        assert!(!area(libc::PROT_READ | libc::PROT_WRITE, false).is_written_shared());
        assert!(!DATA.is_written_shared());
    }

    const KEPT: Withheld = Withheld {
        mapping: false,
        contents: false,
    };
    const DATA: Area = Area {
        protection: 3,
        backing: Backing::Anonymous,
        withheld: KEPT,
    };
    const CODE: Area = Area {
        protection: 5,
        backing: Backing::Anonymous,
        withheld: KEPT,
    };

    #[test]
    fn removing_the_middle_leaves_both_ends() {
        let mut areas = Areas::default();
        areas.insert(0x1000..0x9000, DATA);
        assert_eq!(
            areas.remove(&(0x3000..0x5000)),
            vec![(0x3000..0x5000, DATA)]
        );
        let left: Vec<_> = areas.iter().collect();
        assert_eq!(left, vec![(0x1000..0x3000, DATA), (0x5000..0x9000, DATA)]);
        assert!(!areas.is_occupied(&(0x3000..0x5000)));
        assert!(areas.is_occupied(&(0x4000..0x6000)));
    }

    #[test]
    fn equal_neighbours_join_and_others_do_not() {
        let mut areas = Areas::default();
        areas.insert(0x1000..0x2000, DATA);
        areas.insert(0x3000..0x4000, CODE);
        areas.insert(0x2000..0x3000, DATA);
        assert_eq!(areas.iter().count(), 2);
        assert!(areas.is_covered(&(0x1000..0x4000)));
        assert!(!areas.is_covered(&(0x1000..0x5000)));
    }

    #[test]
    fn gaps_are_found_from_the_top() {
        let mut areas = Areas::default();
        areas.insert(0x8000..0x9000, DATA);
        assert_eq!(areas.highest_gap(0x1000, 0x1000..0xa000), Some(0x9000));
        assert_eq!(areas.highest_gap(0x2000, 0x1000..0xa000), Some(0x6000));
        assert_eq!(areas.highest_gap(0x8000, 0x1000..0xa000), None);
        assert_eq!(areas.highest_gap(0x1000, 0x8000..0x9000), None);
    }
}
