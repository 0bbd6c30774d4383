//! Size classes: how a chunk is cut into objects.
//!
//! Classes of up to a page put `columns` objects on each page; bigger ones give an object `pages`
//! whole pages and have one column. In both an object is named by its bit, `position * columns +
//! column`, so that consecutive bits are neighbours in physical memory.

use crate::address::{LARGE_PAGE_SIZE, PAGES_PER_LARGE, PAGE_SIZE};

/// Sizes within a page: the largest multiple of 16 for each number of objects on a page, thinned.
const SMALL: [u32; 31] = [
    16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 272, 288, 304, 336,
    368, 400, 448, 512, 576, 672, 816, 1024, 1360, 2048, 4096,
];

/// Sizes in pages: powers of two (for alignment) and the largest for each number of objects in a
/// chunk, thinned.
const PAGED: [u32; 25] = [
    2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 36, 42, 51, 64, 73, 85, 102, 128, 170, 256,
];

/// How many classes there are.
pub const CLASSES: usize = SMALL.len() + PAGED.len();
/// Largest object of a class; anything larger is an extent.
pub const LARGEST: u64 = PAGED[PAGED.len() - 1] as u64 * PAGE_SIZE;
/// Most objects of a chunk.
pub const MOST_OBJECTS: u32 = (LARGE_PAGE_SIZE / 16) as u32;
/// Most columns of a class.
pub const MOST_COLUMNS: u32 = (PAGE_SIZE / 16) as u32;

/// One size class.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// Bytes of an object.
    pub size: u32,
    /// Objects on a page; 1 for objects of a page and more.
    pub columns: u32,
    /// Bytes from one position of a column to the next: the pages an object has for itself.
    pub stride: u32,
    /// Objects in a chunk.
    pub objects: u32,
    /// 2^32 / columns, rounded up: divides a bit by the columns.
    reciprocal: u64,
}

impl Class {
    const fn new(size: u32, columns: u32, pages: u32) -> Self {
        Self {
            size,
            columns,
            stride: pages * PAGE_SIZE as u32,
            objects: PAGES_PER_LARGE as u32 / pages * columns,
            reciprocal: (1u64 << 32).div_ceil(columns as u64),
        }
    }

    /// Position and column of the object with this bit. Exact: bit * columns is below 2^32.
    #[must_use]
    pub const fn place(&self, bit: u32) -> (u32, u32) {
        let position = ((bit as u64 * self.reciprocal) >> 32) as u32;
        (position, bit - position * self.columns)
    }

    /// The bit of the object at a place.
    #[must_use]
    pub const fn bit(&self, position: u32, column: u32) -> u32 {
        position * self.columns + column
    }

    /// Position of the object whose pages hold the byte `inside` a window; may be past the last.
    #[must_use]
    pub const fn position_of(&self, inside: u32) -> u32 {
        if self.stride == PAGE_SIZE as u32 {
            inside / PAGE_SIZE as u32
        } else {
            inside / self.stride
        }
    }

    /// Where in a window of `column` the object at `position` starts.
    #[must_use]
    pub const fn offset(&self, position: u32, column: u32) -> u32 {
        position * self.stride + column * self.size
    }

    /// Positions of a column.
    #[must_use]
    pub const fn positions(&self) -> u32 {
        LARGE_PAGE_SIZE as u32 / self.stride
    }

    /// Small pages of an object's position.
    #[must_use]
    pub const fn pages(&self) -> u32 {
        self.stride / PAGE_SIZE as u32
    }

    /// 64-bit words of a bitmap with a bit for each object of a chunk.
    #[must_use]
    pub const fn words(&self) -> u32 {
        self.objects.div_ceil(64)
    }
}

static TABLE: [Class; CLASSES] = {
    let mut table = [Class::new(16, 256, 1); CLASSES];
    let mut index = 0;
    while index < CLASSES {
        table[index] = if index < SMALL.len() {
            Class::new(SMALL[index], PAGE_SIZE as u32 / SMALL[index], 1)
        } else {
            let pages = PAGED[index - SMALL.len()];
            Class::new(pages * PAGE_SIZE as u32, 1, pages)
        };
        index += 1;
    }
    table
};

/// Class for each size up to a page, in steps of 16.
static BY_STEP: [u8; PAGE_SIZE as usize / 16 + 1] = {
    let mut by_step = [0; PAGE_SIZE as usize / 16 + 1];
    let mut class = 0;
    let mut step = 0;
    while step < by_step.len() {
        while SMALL[class] < step as u32 * 16 {
            class += 1;
        }
        by_step[step] = class as u8;
        step += 1;
    }
    by_step
};

/// Class for each number of pages.
static BY_PAGES: [u8; LARGEST as usize / PAGE_SIZE as usize + 1] = {
    let mut by_pages = [0; LARGEST as usize / PAGE_SIZE as usize + 1];
    let mut class = 0;
    let mut pages = 0;
    while pages < by_pages.len() {
        while PAGED[class] < pages as u32 {
            class += 1;
        }
        by_pages[pages] = (SMALL.len() + class) as u8;
        pages += 1;
    }
    by_pages
};

/// The class with this number; numbers come from this module and are below [`CLASSES`].
#[must_use]
pub fn class(number: usize) -> &'static Class {
    &TABLE[number]
}

/// The class with this number, if there is one.
#[must_use]
pub fn get(number: usize) -> Option<&'static Class> {
    TABLE.get(number)
}

/// Number of the smallest class for objects of `size` bytes aligned to `align`, a power of two;
/// `None` where only an extent will do.
#[must_use]
pub fn number_for(size: u64, align: u64) -> Option<usize> {
    let first = if size <= PAGE_SIZE {
        BY_STEP[size.div_ceil(16) as usize]
    } else if size <= LARGEST {
        BY_PAGES[size.div_ceil(PAGE_SIZE) as usize]
    } else {
        return None;
    };
    let first = usize::from(first);
    if align <= 16 {
        return Some(first);
    }
    // Objects lie at multiples of their size from an aligned address.
    (first..CLASSES).find(|&number| u64::from(TABLE[number].size) % align == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_class_that_fits_is_found() {
        for size in 0..=LARGEST {
            if size > PAGE_SIZE && size % 61 != 0 {
                continue;
            }
            let number = number_for(size, 16).unwrap();
            assert!(u64::from(class(number).size) >= size);
            assert!(number == 0 || u64::from(class(number - 1).size) < size.max(1));
        }
        assert_eq!(number_for(LARGEST + 1, 16), None);
        assert_eq!(number_for(1, 2 << 20), None);
        for shift in 4..=20 {
            let number = number_for(3, 1 << shift).unwrap();
            assert_eq!(class(number).size % (1 << shift), 0);
        }
    }

    #[test]
    fn objects_do_not_overlap_and_fit() {
        for number in 0..CLASSES {
            let class = class(number);
            assert!(class.columns * class.size <= class.stride && class.size % 16 == 0);
            assert!(class.objects <= MOST_OBJECTS && class.columns <= MOST_COLUMNS);
            for bit in 0..class.objects {
                let (position, column) = class.place(bit);
                assert!(column < class.columns && position < class.positions());
                assert_eq!(class.bit(position, column), bit);
                let offset = class.offset(position, column);
                assert_eq!(class.position_of(offset), position);
                assert!(offset + class.size <= LARGE_PAGE_SIZE as u32);
            }
        }
    }
}
