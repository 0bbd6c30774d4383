//! The table of system calls, by area, and the way from a number to its entry.
//!
//! | room | holds |
//! | --- | --- |
//! | [`entry`] | what an entry says |
//! | [`vocabulary`] | the names of flags |
//! | [`files`], [`directories`], [`descriptors`], [`sockets`], [`waiting`], [`time`], [`memory`], [`process`], [`identity`], [`signals`], [`exchange`], [`refused`] | the entries |

pub mod descriptors;
pub mod directories;
pub mod entry;
pub mod exchange;
pub mod files;
pub mod identity;
pub mod memory;
pub mod process;
pub mod refused;
pub mod signals;
pub mod sockets;
pub mod time;
pub mod vocabulary;
pub mod waiting;

use entry::Entry;

/// Areas in the order of the coverage page: title and entries.
pub static AREAS: [(&str, &[Entry]); 12] = [
    ("Reading and writing", files::ENTRIES),
    ("Directories and names", directories::ENTRIES),
    ("Descriptors", descriptors::ENTRIES),
    ("Sockets", sockets::ENTRIES),
    ("Waiting for events", waiting::ENTRIES),
    ("Time", time::ENTRIES),
    ("Memory", memory::ENTRIES),
    ("Process and scheduling", process::ENTRIES),
    ("Identity and limits", identity::ENTRIES),
    ("Signals", signals::ENTRIES),
    ("Exchange between processes", exchange::ENTRIES),
    ("Refused", refused::ENTRIES),
];

/// Numbers below this are looked up; the rest are unknown.
const NUMBERS: usize = 512;

/// Area and place of each number; an area past the end says that the number is unknown.
static PLACES: [(u8, u8); NUMBERS] = places();

const fn places() -> [(u8, u8); NUMBERS] {
    let areas: [&[Entry]; 12] = [
        files::ENTRIES,
        directories::ENTRIES,
        descriptors::ENTRIES,
        sockets::ENTRIES,
        waiting::ENTRIES,
        time::ENTRIES,
        memory::ENTRIES,
        process::ENTRIES,
        identity::ENTRIES,
        signals::ENTRIES,
        exchange::ENTRIES,
        refused::ENTRIES,
    ];
    let mut places = [(u8::MAX, 0u8); NUMBERS];
    let mut area = 0;
    while area < areas.len() {
        let mut place = 0;
        while place < areas[area].len() {
            places[areas[area][place].number as usize] = (area as u8, place as u8);
            place += 1;
        }
        area += 1;
    }
    places
}

/// The entry of a call.
#[must_use]
pub fn find(number: u64) -> Option<&'static Entry> {
    let (area, place) = *PLACES.get(usize::try_from(number).ok()?)?;
    AREAS.get(usize::from(area))?.1.get(usize::from(place))
}

/// Every entry, area by area.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    AREAS.iter().flat_map(|(_, entries)| entries.iter())
}

#[cfg(test)]
mod tests {
    use super::entry::{Extent, Kind, Service};
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_number_and_name_stands_once() {
        let mut numbers = HashSet::new();
        let mut names = HashSet::new();
        for entry in all() {
            assert!(numbers.insert(entry.number), "{} twice", entry.name);
            assert!(names.insert(entry.name), "{} twice", entry.name);
            assert!(entry.arguments.len() <= 6);
        }
    }

    #[test]
    fn every_entry_is_found_by_its_number() {
        for entry in all() {
            let found = find(entry.number as u64).map(|found| found.name);
            assert_eq!(found, Some(entry.name));
        }
        assert!(find(u64::MAX).is_none());
        assert!(find(NUMBERS as u64).is_none());
    }

    #[test]
    fn the_table_is_wide() {
        assert!(all().count() >= 300, "{} entries", all().count());
    }

    /// The engine passes words on as they are: one that could be an address must not be among them.
    #[test]
    fn forwarded_calls_hold_no_untranslated_pointer() {
        for entry in all().filter(|entry| matches!(entry.service, Service::Forward)) {
            for argument in entry.arguments {
                let untranslated = matches!(argument.kind, Kind::Address | Kind::Vector { .. });
                assert!(!untranslated, "{} {}", entry.name, argument.name);
            }
        }
    }

    /// Lengths and counts name arguments that exist and are values.
    #[test]
    fn sizes_come_from_values() {
        for entry in all() {
            for argument in entry.arguments {
                let index = match argument.kind {
                    Kind::Memory(block) => match block.extent {
                        Extent::Bytes(index) | Extent::Items { count: index, .. } => index,
                        Extent::Fixed(_) | Extent::Inner(_) => continue,
                    },
                    Kind::Vector { count, .. } => count,
                    Kind::SignalMask { size } => size,
                    _ => continue,
                };
                let source = entry.arguments.get(index);
                assert!(
                    source.is_some_and(|source| !source.kind.is_pointer()),
                    "{}",
                    entry.name
                );
            }
        }
    }
}
