//! Size classes: how a chunk is cut into objects.
//!
//! Classes of up to a page put `columns` objects on each page; bigger ones give an object `pages`
//! whole pages and have one column. An object is named by its bit; objects are handed out in the
//! order of their bits. Columns are taken in groups: group after group, in each position after
//! position, in each column after column.
//!
//! There are two orders. In the *dense* one all columns are one group, so that consecutive bits are
//! neighbours in physical memory. The *spread* one has an eighth of the columns in a group: fewer
//! windows serve as many objects, which pays where a window is dear.

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

/// Most groups of columns, and how many there are in the spread order where there are enough columns.
pub const MOST_GROUPS: u32 = 8;

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
    /// Columns of a group; the last group may have fewer.
    group: u32,
    /// 2^32 / columns, rounded up, for the columns of a group and of the last one.
    reciprocals: [u64; 2],
}

/// Columns that are handed out together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Which group of the class it is, from 0.
    pub index: u32,
    /// Its first bit.
    start: u32,
    /// Its first column.
    pub first_column: u32,
    /// How many columns it has.
    pub columns: u32,
    reciprocal: u64,
}

impl Group {
    /// No columns.
    pub const NONE: Self = Self {
        index: 0,
        start: 0,
        first_column: 0,
        columns: 0,
        reciprocal: 0,
    };

    /// Position and column of the object with this bit, which is of the group. Exact: the bits of
    /// a group times its columns are below 2^32.
    #[must_use]
    pub const fn place(&self, bit: u32) -> (u32, u32) {
        let inside = bit - self.start;
        let position = ((inside as u64 * self.reciprocal) >> 32) as u32;
        (
            position,
            self.first_column + inside - position * self.columns,
        )
    }

    /// The bit of the object at a place, whose column is of the group.
    #[must_use]
    pub const fn bit(&self, position: u32, column: u32) -> u32 {
        self.start + position * self.columns + column - self.first_column
    }

    /// How many positions of a column have bits below `bit`, if there are that many.
    #[must_use]
    pub const fn positions_below(&self, bit: u32, column: u32) -> u32 {
        bit.saturating_sub(self.start + column - self.first_column)
            .div_ceil(self.columns)
    }
}

impl Class {
    const fn new(size: u32, columns: u32, pages: u32, groups: u32) -> Self {
        let group = columns.div_ceil(groups);
        let last = (columns - 1) % group + 1;
        Self {
            size,
            columns,
            stride: pages * PAGE_SIZE as u32,
            objects: PAGES_PER_LARGE as u32 / pages * columns,
            group,
            reciprocals: [
                (1u64 << 32).div_ceil(group as u64),
                (1u64 << 32).div_ceil(last as u64),
            ],
        }
    }

    /// The group that starts with column `first`.
    const fn group(&self, first: u32) -> Group {
        let left = self.columns - first;
        let (columns, reciprocal) = if left >= self.group {
            (self.group, self.reciprocals[0])
        } else {
            (left, self.reciprocals[1])
        };
        Group {
            index: first / self.group,
            start: first * self.positions(),
            first_column: first,
            columns,
            reciprocal,
        }
    }

    /// All groups.
    pub fn groups(&self) -> impl Iterator<Item = Group> + '_ {
        (0..self.columns)
            .step_by(self.group as usize)
            .map(|first| self.group(first))
    }

    /// The group of the object with this bit. All bits of an aligned word are of one group.
    #[must_use]
    pub const fn group_of_bit(&self, bit: u32) -> Group {
        self.group(bit / (self.group * self.positions()) * self.group)
    }

    /// The group of a column.
    #[must_use]
    pub const fn group_of_column(&self, column: u32) -> Group {
        self.group(column / self.group * self.group)
    }

    /// The bit of the object at a place.
    #[must_use]
    pub const fn bit(&self, position: u32, column: u32) -> u32 {
        self.group_of_column(column).bit(position, column)
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

/// The classes in the dense order.
pub static DENSE: [Class; CLASSES] = table(1);
/// The classes in the spread order.
pub static SPREAD: [Class; CLASSES] = table(MOST_GROUPS);

const fn table(groups: u32) -> [Class; CLASSES] {
    let mut table = [Class::new(16, 256, 1, groups); CLASSES];
    let mut index = 0;
    while index < CLASSES {
        table[index] = if index < SMALL.len() {
            Class::new(SMALL[index], PAGE_SIZE as u32 / SMALL[index], 1, groups)
        } else {
            let pages = PAGED[index - SMALL.len()];
            Class::new(pages * PAGE_SIZE as u32, 1, pages, groups)
        };
        index += 1;
    }
    table
}

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
    (first..CLASSES).find(|&number| u64::from(DENSE[number].size) % align == 0)
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
            assert!(u64::from(DENSE[number].size) >= size);
            assert!(number == 0 || u64::from(DENSE[number - 1].size) < size.max(1));
        }
        assert_eq!(number_for(LARGEST + 1, 16), None);
        assert_eq!(number_for(1, 2 << 20), None);
        for shift in 4..=20 {
            let number = number_for(3, 1 << shift).unwrap();
            assert_eq!(DENSE[number].size % (1 << shift), 0);
        }
    }

    #[test]
    fn objects_do_not_overlap_and_fit() {
        for class in DENSE.iter().chain(&SPREAD) {
            assert!(class.columns * class.size <= class.stride && class.size % 16 == 0);
            assert!(class.objects <= MOST_OBJECTS && class.columns <= MOST_COLUMNS);
            for bit in 0..class.objects {
                let group = class.group_of_bit(bit);
                assert_eq!(group.start, class.group_of_bit(bit / 64 * 64).start);
                let (position, column) = group.place(bit);
                assert!(column < class.columns && position < class.positions());
                assert_eq!(class.bit(position, column), bit);
                assert_eq!(group.positions_below(bit, column), position);
                assert_eq!(group.positions_below(bit + 1, column), position + 1);
                let offset = class.offset(position, column);
                assert_eq!(class.position_of(offset), position);
                assert!(offset + class.size <= LARGE_PAGE_SIZE as u32);
            }
        }
    }
}
