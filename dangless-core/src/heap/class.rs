//! Size classes: how a chunk is cut into objects.
//!
//! Classes of up to a page put `columns` objects on each page; bigger ones give an object `pages`
//! whole pages and have one column. Columns are taken in *groups* of at most 64, group after group.
//!
//! What a group has is handed out in *lines* of at most 64 objects, so that a word holds a line. Where
//! a page has many objects, lines are *rows*: position after position, and in each column after
//! column, so that consecutive objects are neighbours in physical memory. Where it has few, each fills
//! lines of the cache for itself, and lines go *down* a column: column after column, and in each
//! position after position, so that lines are long.
//!
//! There are two ways to group. In *dense* groups as many columns as fit are neighbours, so that
//! consecutive objects are neighbours in physical memory. *Spread* ones have at most sixteen: fewer
//! windows are in use at a time, which pays where a window is dear.

use crate::address::{PAGES_PER_LARGE, PAGE_SIZE};

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
#[cfg(test)]
const MOST_OBJECTS: u32 = (PAGES_PER_LARGE * PAGE_SIZE / 16) as u32;
/// Most columns of a class.
#[cfg(test)]
const MOST_COLUMNS: u32 = (PAGE_SIZE / 16) as u32;
/// Most columns of a group.
pub const MOST_GROUP: u32 = 64;
/// Most columns of a group in the spread order.
const SPREAD_GROUP: u32 = 32;
/// Most columns of a class whose lines go down.
const MOST_DOWN: u32 = 8;
/// Objects of a line that goes down: positions of a word of a column's bitmap.
const DOWN_LINE: u32 = 64;
/// Where an object's place in the order of its group has the position.
pub const POSITION_SHIFT: u32 = 16;
/// Where it has the column, if lines go down; else the column is at bit 0.
const DOWN_SHIFT: u32 = 25;
/// Bits behind the point of a class's reciprocal.
const RECIPROCAL_BITS: u32 = 24;

/// One size class.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// Bytes of an object.
    pub size: u32,
    /// Objects on a page; 1 for objects of a page and more.
    pub columns: u32,
    /// Pages from one position of a column to the next: those an object has for itself.
    pub pages: u32,
    /// Objects in a chunk.
    pub objects: u32,
    /// Columns of a group; the last group may have fewer.
    group: u32,
    /// 2^24 / pages, rounded up.
    pub reciprocal: u32,
    /// Lines go down a column; they are rows otherwise.
    pub down: bool,
}

/// Columns that are handed out together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Its first column.
    pub first_column: u32,
    /// How many columns it has.
    pub columns: u32,
}

impl Group {
    /// No columns.
    pub const NONE: Self = Self {
        first_column: 0,
        columns: 0,
    };

    /// One column.
    #[must_use]
    pub const fn single(column: u32) -> Self {
        Self {
            first_column: column,
            columns: 1,
        }
    }
}

/// The position whose pages hold page number `page` of a window, for objects of so many pages, of
/// which `reciprocal` is [`Class::reciprocal`]. Exact: a page number is below 512, which times the
/// error of the reciprocal, below 1, is less than 2^24 / pages.
#[must_use]
#[inline]
pub const fn position_of_page(page: u32, reciprocal: u32) -> u32 {
    ((page as u64 * reciprocal as u64) >> RECIPROCAL_BITS) as u32
}

impl Class {
    const fn new(size: u32, columns: u32, pages: u32, most: u32) -> Self {
        let groups = columns.div_ceil(most);
        Self {
            size,
            columns,
            pages,
            objects: PAGES_PER_LARGE as u32 / pages * columns,
            group: columns.div_ceil(groups),
            reciprocal: (1u32 << RECIPROCAL_BITS).div_ceil(pages),
            down: columns <= MOST_DOWN,
        }
    }

    /// Where an object comes in the order in which its group is handed out; `column` is its column's
    /// number in the group. Adding to the position adds as much at [`POSITION_SHIFT`].
    #[must_use]
    pub const fn order(&self, position: u32, column: u32) -> u64 {
        let column = if self.down {
            (column as u64) << DOWN_SHIFT
        } else {
            column as u64
        };
        (position as u64) << POSITION_SHIFT | column
    }

    /// Lines of `columns` columns.
    #[must_use]
    pub const fn lines(&self, columns: u32) -> u32 {
        if self.down {
            columns * self.column_words()
        } else {
            self.positions()
        }
    }

    /// Most objects of a line of `columns` columns.
    #[must_use]
    pub const fn line_objects(&self, columns: u32) -> u32 {
        if !self.down {
            columns
        } else if self.positions() < DOWN_LINE {
            self.positions()
        } else {
            DOWN_LINE
        }
    }

    /// Line of an object, and its number there.
    #[must_use]
    pub const fn place_in_line(&self, position: u32, column: u32) -> (u32, u32) {
        if self.down {
            let line = column * self.column_words() + position / DOWN_LINE;
            (line, position % DOWN_LINE)
        } else {
            (position, column)
        }
    }

    /// Position and column of the first object of a line.
    #[must_use]
    pub const fn line_start(&self, line: u32) -> (u32, u32) {
        if self.down {
            let words = self.column_words();
            (line % words * DOWN_LINE, line / words)
        } else {
            (line, 0)
        }
    }

    /// Group `index`; `None` past the last.
    #[must_use]
    const fn group(&self, index: u32) -> Option<Group> {
        let first = index * self.group;
        if first >= self.columns {
            return None;
        }
        let left = self.columns - first;
        Some(Group {
            first_column: first,
            columns: if left < self.group { left } else { self.group },
        })
    }

    /// All groups.
    pub fn groups(&self) -> impl Iterator<Item = Group> + '_ {
        (0..).map_while(|index| self.group(index))
    }

    /// Most columns of a group of this class.
    #[must_use]
    pub const fn group_columns(&self) -> u32 {
        self.group
    }

    /// Bytes from one position of a column to the next.
    #[must_use]
    pub const fn stride(&self) -> u32 {
        self.pages * PAGE_SIZE as u32
    }

    /// Where in a window of `column` the object at `position` starts.
    #[must_use]
    pub const fn offset(&self, position: u32, column: u32) -> u32 {
        position * self.stride() + column * self.size
    }

    /// Positions of a column.
    #[must_use]
    pub const fn positions(&self) -> u32 {
        PAGES_PER_LARGE as u32 / self.pages
    }

    /// 64-bit words with a bit for each position of a column.
    #[must_use]
    pub const fn column_words(&self) -> u32 {
        self.positions().div_ceil(64)
    }

    /// The bits of such a word, number `index`, that stand for a position.
    #[must_use]
    pub const fn column_mask(&self, index: u32) -> u64 {
        let left = self.positions().saturating_sub(index * 64);
        match left {
            0 => 0,
            1..64 => u64::MAX >> (64 - left),
            _ => u64::MAX,
        }
    }

    /// 64-bit words of a bitmap of a chunk: those of each column, one column after the other.
    #[must_use]
    pub const fn words(&self) -> u32 {
        self.columns * self.column_words()
    }
}

/// The classes in dense groups.
pub static DENSE: [Class; CLASSES] = table(MOST_GROUP);
/// The classes in spread groups.
pub static SPREAD: [Class; CLASSES] = table(SPREAD_GROUP);

/// Bytes of an object of each class, for numbers from window records; 0 past the last class.
static BYTES: [u32; 64] = {
    let mut bytes = [0; 64];
    let mut number = 0;
    while number < CLASSES {
        bytes[number] = DENSE[number].size;
        number += 1;
    }
    bytes
};

/// Bytes of an object of class `number`, as a window's record has it.
#[must_use]
#[inline]
pub fn bytes_of(number: u8) -> u32 {
    BYTES[usize::from(number) % BYTES.len()]
}

/// The number in its group of an object's column, from its place in the order.
#[must_use]
pub const fn column_of_order(order: u64) -> u32 {
    (order as u32 & ((1 << POSITION_SHIFT) - 1)) | (order as u32 >> DOWN_SHIFT)
}

/// The position, from the same.
#[must_use]
pub const fn position_of_order(order: u64) -> u32 {
    (order as u32 >> POSITION_SHIFT) & ((1 << (DOWN_SHIFT - POSITION_SHIFT)) - 1)
}

const fn table(most: u32) -> [Class; CLASSES] {
    let mut table = [Class::new(16, 256, 1, most); CLASSES];
    let mut index = 0;
    while index < CLASSES {
        table[index] = if index < SMALL.len() {
            Class::new(SMALL[index], PAGE_SIZE as u32 / SMALL[index], 1, most)
        } else {
            let pages = PAGED[index - SMALL.len()];
            Class::new(pages * PAGE_SIZE as u32, 1, pages, most)
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

/// Number of the smallest class for objects of `size` bytes, at most a page, at any address.
#[must_use]
#[inline]
pub const fn small_number_for(size: u64) -> Option<usize> {
    if size > PAGE_SIZE {
        return None;
    }
    Some(BY_STEP[size.div_ceil(16) as usize] as usize)
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
    fn sizes_are_found_by_number() {
        for (number, class) in (0..).zip(&SPREAD) {
            assert_eq!(bytes_of(number), class.size);
        }
    }

    #[test]
    fn lines_hold_every_object_once_and_in_order() {
        for class in DENSE.iter().chain(&SPREAD) {
            for group in class.groups() {
                let mut places = std::vec::Vec::new();
                for position in 0..class.positions() {
                    for column in 0..group.columns {
                        let order = class.order(position, column);
                        assert!(order < 1 << 32);
                        assert_eq!(column_of_order(order), column);
                        assert_eq!(position_of_order(order), position);
                        let first = class.order(0, column);
                        assert_eq!(order, first + (u64::from(position) << POSITION_SHIFT));
                        let (line, number) = class.place_in_line(position, column);
                        assert!(line < class.lines(group.columns));
                        assert!(number < class.line_objects(group.columns));
                        let (top, left) = class.line_start(line);
                        if class.down {
                            assert_eq!((top + number, left), (position, column));
                        } else {
                            assert_eq!((top, left + number), (position, column));
                        }
                        places.push((order, line, number));
                    }
                }
                places.sort_unstable();
                assert!(places
                    .windows(2)
                    .all(|two| two[0].0 < two[1].0 && (two[0].1, two[0].2) < (two[1].1, two[1].2)));
            }
        }
    }

    #[test]
    fn objects_do_not_overlap_and_fit() {
        for class in DENSE.iter().chain(&SPREAD) {
            assert!(class.columns * class.size <= class.stride() && class.size % 16 == 0);
            assert!(class.objects <= MOST_OBJECTS && class.columns <= MOST_COLUMNS);
            let mut columns = 0;
            for group in class.groups() {
                assert_eq!(group.first_column, columns);
                assert!(group.columns >= 1 && group.columns <= class.group_columns());
                columns += group.columns;
            }
            assert_eq!(columns, class.columns);
            assert!(class.group_columns() <= MOST_GROUP);
            for position in 0..class.positions() {
                for page in position * class.pages..(position + 1) * class.pages {
                    assert_eq!(position_of_page(page, class.reciprocal), position);
                }
            }
            let last = class.offset(class.positions() - 1, class.columns - 1);
            assert!(u64::from(last + class.size) <= PAGES_PER_LARGE * PAGE_SIZE);
            let bits: u32 = (0..class.column_words() + 1)
                .map(|word| class.column_mask(word).count_ones())
                .sum();
            assert_eq!(bits, class.positions());
        }
    }
}
