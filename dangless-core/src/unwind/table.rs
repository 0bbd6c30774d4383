//! The unwind table as a whole: rows sorted by address, and an index that narrows the search.
//!
//! In guest memory, at [`crate::abi::layout::UNWIND_TABLE`], it is a [`Header`], then the rows, then
//! the index. Entry `b` of the index is the number of the last row that starts at or before block
//! `b` of the text ([`BLOCK`] bytes each), so that a lookup searches the few rows of one block.

use core::mem::{align_of, size_of};

use super::row::{Row, Rule};

/// First word of a table: `DANGUNW1`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"DANGUNW1");
/// Bytes of text that one entry of the index stands for.
pub const BLOCK: u64 = 1 << BLOCK_SHIFT;

const BLOCK_SHIFT: u32 = 10;

/// What lies first in guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`]
    pub magic: u64,
    /// Address that the rows' offsets count from.
    pub base: u64,
    /// Bytes of text from `base` on that the table covers.
    pub text: u64,
    /// Number of rows.
    pub rows: u64,
    /// Where the rows start, from the header's first byte.
    pub rows_offset: u64,
    /// Number of entries of the index.
    pub index: u64,
    /// Where the index starts, from the header's first byte.
    pub index_offset: u64,
}

impl Header {
    /// The header of a table of `rows` rows over `text` bytes of code at `base`.
    #[must_use]
    pub const fn new(base: u64, text: u64, rows: u64) -> Self {
        let rows_offset = size_of::<Self>() as u64;
        Self {
            magic: MAGIC,
            base,
            text,
            rows,
            rows_offset,
            index: index_length(text),
            index_offset: rows_offset + rows * size_of::<Row>() as u64,
        }
    }

    /// Bytes of the whole table.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.index_offset + self.index * size_of::<u32>() as u64
    }
}

/// Why bytes are no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Too short for a header, or not aligned to eight bytes.
    #[error("unwind table: no aligned header in {0} bytes")]
    NoHeader(usize),
    /// The first word is another.
    #[error("unwind table: wrong magic {0:#x}")]
    WrongMagic(u64),
    /// Rows or index do not lie inside the table, or do not fit the text.
    #[error("unwind table: rows or index out of bounds")]
    OutOfBounds,
}

/// Entries of the index over `text` bytes of code.
#[must_use]
pub const fn index_length(text: u64) -> u64 {
    // One more than there are blocks, so that each block has an end.
    text.div_ceil(BLOCK) + 1
}

/// The index over `rows`, which must be sorted by start, for `text` bytes of code.
pub fn index_of(rows: &[Row], text: u64) -> impl Iterator<Item = u32> + '_ {
    let mut passed = 0usize;
    (0..index_length(text)).map(move |block| {
        let limit = block << BLOCK_SHIFT;
        while rows
            .get(passed)
            .is_some_and(|row| u64::from(row.start) <= limit)
        {
            passed += 1;
        }
        u32::try_from(passed.saturating_sub(1)).unwrap_or(u32::MAX)
    })
}

/// A view of a table. A damaged one gives wrong answers, never an access out of bounds.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    base: u64,
    text: u64,
    rows: &'a [Row],
    index: &'a [u32],
}

impl<'a> Table<'a> {
    /// The table that knows nothing: walks use frame pointers only.
    pub const EMPTY: Self = Self {
        base: 0,
        text: 0,
        rows: &[],
        index: &[],
    };

    /// A table of separately kept rows (sorted by start) and their [`index_of`].
    #[must_use]
    pub const fn new(base: u64, text: u64, rows: &'a [Row], index: &'a [u32]) -> Self {
        Self {
            base,
            text,
            rows,
            index,
        }
    }

    /// The table that `bytes` hold, starting with its header.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, TableError> {
        let start = bytes.as_ptr();
        if bytes.len() < size_of::<Header>() || !start.cast::<Header>().is_aligned() {
            return Err(TableError::NoHeader(bytes.len()));
        }
        // SAFETY: aligned and long enough, checked above; any bit pattern is a header.
        let header = unsafe { start.cast::<Header>().read() };
        if header.magic != MAGIC {
            return Err(TableError::WrongMagic(header.magic));
        }
        if header.text > 1 << 32 || header.index != index_length(header.text) {
            return Err(TableError::OutOfBounds);
        }
        let rows = part(bytes, header.rows_offset, header.rows, size_of::<Row>())?;
        let index = part(bytes, header.index_offset, header.index, size_of::<u32>())?;
        if !rows.as_ptr().cast::<Row>().is_aligned() || !index.as_ptr().cast::<u32>().is_aligned() {
            return Err(TableError::OutOfBounds);
        }
        const { assert!(align_of::<Row>() <= align_of::<Header>()) };
        // SAFETY: `part` gives exactly that many whole rows, aligned as checked, inside `bytes`;
        // any bit pattern is a row.
        let rows = unsafe {
            core::slice::from_raw_parts(rows.as_ptr().cast(), rows.len() / size_of::<Row>())
        };
        // SAFETY: as above, for the entries of the index.
        let index = unsafe {
            core::slice::from_raw_parts(index.as_ptr().cast(), index.len() / size_of::<u32>())
        };
        Ok(Self::new(header.base, header.text, rows, index))
    }

    /// The table whose header is at `address`, where `reserved` bytes are set aside for it.
    ///
    /// # Safety
    ///
    /// A table must be mapped at `address`, as long as its header says (read first, and held
    /// against `reserved`), and must stay mapped and unchanged for `'a`.
    pub unsafe fn from_address(address: u64, reserved: u64) -> Result<Self, TableError> {
        let start = core::ptr::with_exposed_provenance::<Header>(address as usize);
        if !start.is_aligned() {
            return Err(TableError::NoHeader(0));
        }
        // SAFETY: the caller vouches for a mapped header; it is aligned.
        let header = unsafe { start.read() };
        if header.magic != MAGIC {
            return Err(TableError::WrongMagic(header.magic));
        }
        let expected = header.rows.checked_mul(size_of::<Row>() as u64);
        if header.text > 1 << 32
            || expected.is_none_or(|bytes| bytes > reserved)
            || header != Header::new(header.base, header.text, header.rows)
            || header.size() > reserved
        {
            return Err(TableError::OutOfBounds);
        }
        // SAFETY: the header's own size is mapped and unchanging, as the caller vouches.
        let bytes = unsafe { core::slice::from_raw_parts(start.cast(), header.size() as usize) };
        Self::from_bytes(bytes)
    }

    /// Number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the table has no rows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether `address` lies in the text that the table covers.
    #[inline]
    #[must_use]
    pub const fn covers(&self, address: u64) -> bool {
        address.wrapping_sub(self.base) < self.text
    }

    /// The rule for the instruction that holds `address`.
    #[inline]
    #[must_use]
    pub fn lookup(&self, address: u64) -> Rule {
        self.row(address).map_or(Rule::Unknown, Row::rule)
    }

    #[inline]
    fn row(&self, address: u64) -> Option<Row> {
        let offset = address.wrapping_sub(self.base);
        if offset >= self.text {
            return None;
        }
        let block = (offset >> BLOCK_SHIFT) as usize;
        let first = *self.index.get(block)? as usize;
        let last = *self.index.get(block + 1)? as usize;
        let rows = self.rows.get(first..last.checked_add(1)?)?;
        let after = rows.partition_point(|row| u64::from(row.start) <= offset);
        rows.get(after.checked_sub(1)?).copied()
    }
}

/// `count` items of `size` bytes from `offset` on.
fn part(bytes: &[u8], offset: u64, count: u64, size: usize) -> Result<&[u8], TableError> {
    let find = || {
        let start = usize::try_from(offset).ok()?;
        let length = usize::try_from(count).ok()?.checked_mul(size)?;
        bytes.get(start..start.checked_add(length)?)
    };
    find().ok_or(TableError::OutOfBounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn rows(starts: &[u32]) -> Vec<Row> {
        starts
            .iter()
            .zip(1..)
            .map(|(&start, number)| {
                let rule = Rule::Stack {
                    cfa: number * 8,
                    saved: 0,
                };
                Row::new(start, rule).expect("fits")
            })
            .collect()
    }

    fn image(base: u64, text: u64, rows: &[Row]) -> Vec<u64> {
        let header = Header::new(base, text, rows.len() as u64);
        let mut words = Vec::from([
            header.magic,
            header.base,
            header.text,
            header.rows,
            header.rows_offset,
            header.index,
            header.index_offset,
        ]);
        words.extend(rows.iter().map(|row| {
            u64::from(row.start) | u64::from(row.offset as u16) << 32 | u64::from(row.packed) << 48
        }));
        let index: Vec<u32> = index_of(rows, text).collect();
        words.extend(
            index.chunks(2).map(|pair| {
                u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32
            }),
        );
        words
    }

    fn bytes(words: &[u64]) -> &[u8] {
        // SAFETY: the words are initialised and bytes have no alignment.
        unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), words.len() * 8) }
    }

    #[test]
    fn an_image_reads_back() {
        let rows = rows(&[0, 0x10, 0x900, 0x2345]);
        let words = image(0x40_0000, 0x3000, &rows);
        let table = Table::from_bytes(bytes(&words)).expect("valid");
        assert_eq!(table.len(), 4);
        assert_eq!(table.lookup(0x3f_ffff), Rule::Unknown);
        assert_eq!(table.lookup(0x40_0000), rows[0].rule());
        assert_eq!(table.lookup(0x40_08ff), rows[1].rule());
        assert_eq!(table.lookup(0x40_0900), rows[2].rule());
        assert_eq!(table.lookup(0x40_2fff), rows[3].rule());
        assert_eq!(table.lookup(0x40_3000), Rule::Unknown);
        let address = words.as_ptr().expose_provenance() as u64;
        // SAFETY: the words above are a table and outlive this view.
        let same = unsafe { Table::from_address(address, 1 << 20) }.expect("valid");
        assert_eq!(same.lookup(0x40_0900), rows[2].rule());
        // SAFETY: as above; the reservation is too small and must be refused.
        let small = unsafe { Table::from_address(address, 64) };
        assert_eq!(small.err(), Some(TableError::OutOfBounds));
    }

    #[test]
    fn an_empty_table_knows_nothing() {
        assert_eq!(Table::EMPTY.lookup(0), Rule::Unknown);
        let words = image(0, 0, &[]);
        let table = Table::from_bytes(bytes(&words)).expect("valid");
        assert!(table.is_empty());
        assert_eq!(table.lookup(0), Rule::Unknown);
    }

    #[test]
    fn bad_headers_are_named() {
        let words = image(0, 0x400, &rows(&[0]));
        assert_eq!(
            Table::from_bytes(&bytes(&words)[..20]).err(),
            Some(TableError::NoHeader(20))
        );
        let mut bad = words.clone();
        bad[0] = 5;
        assert_eq!(
            Table::from_bytes(bytes(&bad)).err(),
            Some(TableError::WrongMagic(5))
        );
        for (field, value) in [
            (2, u64::MAX),
            (3, 1 << 61),
            (4, u64::MAX),
            (4, 57),
            (5, 900),
            (6, 1),
        ] {
            let mut bad = words.clone();
            bad[field] = value;
            assert_eq!(
                Table::from_bytes(bytes(&bad)).err(),
                Some(TableError::OutOfBounds),
                "{field}"
            );
        }
    }

    proptest! {
        #[test]
        fn lookup_agrees_with_a_plain_search(
            mut starts in prop::collection::vec(0u32..20_000, 0..200),
            probes in prop::collection::vec(0u64..21_000, 50),
        ) {
            starts.sort_unstable();
            starts.dedup();
            let rows = rows(&starts);
            let index: Vec<u32> = index_of(&rows, 20_000).collect();
            let table = Table::new(0x1000, 20_000, &rows, &index);
            for probe in probes {
                let plain = rows.iter().rfind(|row| u64::from(row.start) <= probe);
                let plain = plain.filter(|_| probe < 20_000).map_or(Rule::Unknown, |row| row.rule());
                prop_assert_eq!(table.lookup(0x1000 + probe), plain);
            }
        }

        #[test]
        fn damaged_tables_never_reach_outside(
            starts in prop::collection::vec(any::<u32>(), 0..40),
            index in prop::collection::vec(any::<u32>(), 0..40),
            text in any::<u64>(),
            probes in prop::collection::vec(any::<u64>(), 50),
        ) {
            let rows = rows(&starts);
            let table = Table::new(0, text, &rows, &index);
            for probe in probes {
                std::hint::black_box(table.lookup(probe));
                std::hint::black_box(table.lookup(probe % 40_000));
            }
        }
    }
}
