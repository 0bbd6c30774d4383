//! A picture of a window's record, for those who look from outside: which of its pages belong to freed
//! objects.
//!
//! Page tables show a freed object until it is revoked. The VMM asks here before it uses heap memory
//! for a system call, so that a freed pointer is reported there however long revocation waits. The
//! record is the program's to overwrite: any bytes give some answer.

use core::mem::offset_of;

use super::class::{position_of_page, CLASSES, DENSE};
use super::window::{bit_of, Window, RECORD_SIZE};
use crate::address::{GuestVirtual, LARGE_PAGE_SIZE};

/// Bytes of a record.
pub const SIZE: usize = RECORD_SIZE as usize;

/// Where the record of the window that holds `at` lies, for records that start at `records`, of an alias
/// region that starts at `start`; `None` below the region.
#[must_use]
pub fn record_of(at: GuestVirtual, start: u64, records: u64) -> Option<GuestVirtual> {
    let number = at.0.checked_sub(start)? / LARGE_PAGE_SIZE;
    Some(GuestVirtual(records + number * RECORD_SIZE))
}

/// What a record says.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    reciprocal: u32,
    freed: [u64; 8],
}

impl Picture {
    /// Reads a copy of a record; `None` unless it is that of a column of a chunk.
    #[must_use]
    pub fn new(record: &[u8; SIZE]) -> Option<Self> {
        if record[Window::USED_AS] != Window::COLUMN {
            return None;
        }
        let number = usize::from(record[offset_of!(Window, class)]);
        let class = DENSE[..CLASSES].get(number)?;
        let word = |field: usize, index: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&record[field + index * 8..][..8]);
            u64::from_le_bytes(bytes)
        };
        let (served, live) = (offset_of!(Window, served), offset_of!(Window, live));
        Some(Self {
            reciprocal: class.reciprocal,
            freed: core::array::from_fn(|index| word(served, index) & !word(live, index)),
        })
    }

    /// The first of the window's pages `first` to `last`, below 512, that belongs to a freed object.
    #[must_use]
    pub fn first_freed(&self, first: u32, last: u32) -> Option<u32> {
        (first..=last.min(511)).find(|&page| {
            let (word, mask) = bit_of(position_of_page(page, self.reciprocal));
            self.freed[word] & mask != 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(class: u8, served: u64, live: u64) -> [u8; SIZE] {
        let mut record = [0; SIZE];
        record[Window::USED_AS] = Window::COLUMN;
        record[offset_of!(Window, class)] = class;
        record[offset_of!(Window, served) + 8..][..8].copy_from_slice(&served.to_le_bytes());
        record[offset_of!(Window, live) + 8..][..8].copy_from_slice(&live.to_le_bytes());
        record
    }

    #[test]
    fn freed_objects_are_those_served_and_not_live() {
        let picture = Picture::new(&record(0, 0b1101, 0b0100)).unwrap();
        assert_eq!(picture.first_freed(0, 511), Some(64));
        assert_eq!(picture.first_freed(65, 511), Some(67));
        assert_eq!(picture.first_freed(65, 66), None);
        assert_eq!(picture.first_freed(68, u32::MAX), None);
    }

    #[test]
    fn all_pages_of_an_object_are_freed_with_it() {
        let two_pages = DENSE.iter().position(|class| class.pages == 2).unwrap();
        let picture = Picture::new(&record(two_pages as u8, 0b10, 0)).unwrap();
        assert_eq!(picture.first_freed(0, 511), Some(130));
        assert_eq!(picture.first_freed(131, 140), Some(131));
        assert_eq!(picture.first_freed(132, 511), None);
    }

    #[test]
    fn any_bytes_have_an_answer() {
        for byte in 0..=255 {
            if let Some(picture) = Picture::new(&[byte; SIZE]) {
                assert_eq!(picture.first_freed(0, 511), None);
            }
        }
        assert!(Picture::new(&record(255, 1, 0)).is_none());
        assert_eq!(record_of(GuestVirtual(5), 6, 0), None);
        let second = GuestVirtual(6 + LARGE_PAGE_SIZE);
        assert_eq!(record_of(second, 6, 1024), Some(GuestVirtual(1280)));
    }
}
