//! The finished unwind table of a program.

use dangless_core::unwind::table::index_of;
use dangless_core::unwind::{Header, Row, Table};

/// Rows and index of one program at its load address.
#[derive(Clone, Debug)]
pub struct ProgramTable {
    base: u64,
    text: u64,
    rows: Vec<Row>,
    index: Vec<u32>,
    skipped: usize,
}

impl ProgramTable {
    /// Takes rows sorted by start, of which the last is an unknown one behind all known code;
    /// `skipped` entries of the program could not be translated.
    pub(super) fn new(base: u64, rows: Vec<Row>, skipped: usize) -> Self {
        let text = rows.last().map_or(0, |row| u64::from(row.start));
        let index = index_of(&rows, text).collect();
        Self {
            base,
            text,
            rows,
            index,
            skipped,
        }
    }

    /// The table as walks use it.
    #[must_use]
    pub fn view(&self) -> Table<'_> {
        Table::new(self.base, self.text, &self.rows, &self.index)
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing is known of any code.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Entries of `.eh_frame` that were malformed or beyond the table's reach.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The bytes to lay at [`dangless_core::abi::layout::UNWIND_TABLE`].
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        let header = Header::new(self.base, self.text, self.rows.len() as u64);
        let mut image = Vec::with_capacity(header.size() as usize);
        for word in [
            header.magic,
            header.base,
            header.text,
            header.rows,
            header.rows_offset,
            header.index,
            header.index_offset,
        ] {
            image.extend(word.to_le_bytes());
        }
        for row in &self.rows {
            let packed = u64::from(row.start)
                | u64::from(row.offset as u16) << 32
                | u64::from(row.packed) << 48;
            image.extend(packed.to_le_bytes());
        }
        for entry in &self.index {
            image.extend(entry.to_le_bytes());
        }
        image
    }
}
