//! From an ELF file to its unwind table.

use dangless_core::unwind::{Row, Rule};
use gimli::{BaseAddresses, CieOrFde, EhFrame, EndianSlice, LittleEndian, UnwindSection};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, SegmentFlags, SymbolKind};

use super::infer::rules;
use super::rule::{of_row, Reader};
use super::table::ProgramTable;

/// Name of the signal trampoline in C libraries that give it no unwind information (musl).
const TRAMPOLINE: &str = "__restore_rt";
/// Bytes of `mov $15, %rax; syscall`, which is all a trampoline does.
const TRAMPOLINE_LENGTH: u64 = 9;
/// Bytes of code without descriptions below which they are not inferred.
const LEAST_GAP: u64 = 4096;
/// Bytes of a function that are looked at when it has no unwind information.
const LONGEST_FUNCTION: u64 = 1 << 20;

/// Why no table could be made.
#[derive(Debug, thiserror::Error)]
pub enum UnwindError {
    /// The file is no ELF file, or its headers do not hold together.
    #[error("cannot read the program's unwind information: {0}; check the file with `readelf -S`")]
    Elf(#[from] object::Error),
}

/// Builds the table of the ELF file `elf`, whose addresses are moved by `bias` when it is loaded.
///
/// Functions that `.eh_frame` leaves out get rules from their instructions, if the file has symbols.
pub fn build(elf: &[u8], bias: u64) -> Result<ProgramTable, UnwindError> {
    let file = object::File::parse(elf)?;
    let text = Text::of(&file);
    let mut parts = Parts::new(text);
    if let Some(section) = file.section_by_name(".eh_frame") {
        parts.read(section.data()?, section.address(), &file);
    }
    if let Some(symbol) = file.symbol_by_name(TRAMPOLINE) {
        parts.add_trampoline(symbol.address());
    }
    parts.infer(&file);
    let (rows, skipped) = parts.finish();
    let base = text.start.wrapping_add(bias);
    Ok(ProgramTable::new(base, rows, skipped))
}

/// The part of the address space that holds code, as the file counts addresses.
#[derive(Clone, Copy)]
struct Text {
    start: u64,
    length: u64,
}

impl Text {
    fn of(file: &object::File<'_>) -> Self {
        let mut start = u64::MAX;
        let mut end = 0;
        for segment in file.segments() {
            let SegmentFlags::Elf { p_flags, .. } = segment.flags() else {
                continue;
            };
            if !p_flags.contains(object::elf::PF_X) {
                continue;
            }
            start = start.min(segment.address());
            end = end.max(segment.address().saturating_add(segment.size()));
        }
        // Rows hold 32-bit offsets. A file without code has a length of 0, and so no rows.
        let length = end.saturating_sub(start).min(1 << 32);
        Self { start, length }
    }

    /// `address` as the offset that rows hold.
    fn offset(self, address: u64) -> Option<u32> {
        let offset = address.checked_sub(self.start)?;
        u32::try_from(offset).ok().filter(|_| offset < self.length)
    }
}

/// The rows of one function: `rows[first..last]`, covering `[start, end)`.
#[derive(Clone, Copy)]
struct Part {
    start: u32,
    end: u32,
    first: usize,
    last: usize,
}

/// Functions in the order in which the file describes them.
struct Parts {
    text: Text,
    rows: Vec<Row>,
    parts: Vec<Part>,
    skipped: usize,
}

impl Parts {
    fn new(text: Text) -> Self {
        Self {
            text,
            rows: Vec::new(),
            parts: Vec::new(),
            skipped: 0,
        }
    }

    /// Reads every entry of an `.eh_frame` section at `address`.
    fn read(&mut self, data: &[u8], address: u64, file: &object::File<'_>) {
        let section = EhFrame::from(EndianSlice::new(data, LittleEndian));
        let mut bases = BaseAddresses::default().set_eh_frame(address);
        if let Some(text) = file.section_by_name(".text") {
            bases = bases.set_text(text.address());
        }
        if let Some(got) = file.section_by_name(".got") {
            bases = bases.set_got(got.address());
        }
        self.rows.reserve(data.len() / 10);
        let mut context = gimli::UnwindContext::<usize>::new();
        // Thousands of entries share a few common ones; parsing those anew would double the work.
        let mut common: Vec<(usize, gimli::CommonInformationEntry<Reader<'_>>)> = Vec::new();
        let mut entries = section.entries(&bases);
        loop {
            match entries.next() {
                Ok(None) => break,
                Ok(Some(CieOrFde::Cie(_))) => {}
                Ok(Some(CieOrFde::Fde(partial))) => {
                    let entry = partial.parse(|section, bases, offset| {
                        if let Some((_, known)) =
                            common.iter().rev().find(|(at, _)| *at == offset.0)
                        {
                            return Ok(known.clone());
                        }
                        let parsed = section.cie_from_offset(bases, offset)?;
                        if common.len() >= 16 {
                            common.remove(0);
                        }
                        common.push((offset.0, parsed.clone()));
                        Ok(parsed)
                    });
                    let added = entry
                        .ok()
                        .and_then(|entry| self.add(&entry, &section, &bases, &mut context));
                    if added.is_none() {
                        self.skipped += 1;
                    }
                }
                // What follows an entry with a broken length cannot be found.
                Err(_) => {
                    self.skipped += 1;
                    break;
                }
            }
        }
    }

    fn add(
        &mut self,
        entry: &gimli::FrameDescriptionEntry<Reader<'_>>,
        section: &EhFrame<Reader<'_>>,
        bases: &BaseAddresses,
        context: &mut gimli::UnwindContext<usize>,
    ) -> Option<()> {
        let start = self.text.offset(entry.initial_address())?;
        let length = u32::try_from(entry.len())
            .ok()
            .filter(|&length| length > 0)?;
        let end = start.checked_add(length)?;
        let first = self.rows.len();
        if entry.is_signal_trampoline() {
            self.rows.push(Row::new(start, Rule::Signal)?);
        } else {
            let filled = self.add_rows(end, entry, section, bases, context);
            let ordered = self.rows.get(first..)?.is_sorted_by_key(|row| row.start);
            if filled.is_none() || !ordered {
                self.rows.truncate(first);
                return None;
            }
        }
        self.parts.push(Part {
            start,
            end,
            first,
            last: self.rows.len(),
        });
        Some(())
    }

    /// Appends the rows of `entry` that start before `end`.
    fn add_rows(
        &mut self,
        end: u32,
        entry: &gimli::FrameDescriptionEntry<Reader<'_>>,
        section: &EhFrame<Reader<'_>>,
        bases: &BaseAddresses,
        context: &mut gimli::UnwindContext<usize>,
    ) -> Option<()> {
        let encoding = entry.cie().encoding();
        let mut table = entry.rows(section, bases, context).ok()?;
        while let Some(row) = table.next_row().ok()? {
            let start = self.text.offset(row.start_address())?;
            if start >= end {
                break;
            }
            let rule = of_row(row, section, encoding);
            let row = Row::new(start, rule).unwrap_or(Row::unknown(start));
            self.rows.push(row);
        }
        Some(())
    }

    /// Adds the signal trampoline at `address`, unless the file describes it.
    fn add_trampoline(&mut self, address: u64) {
        // The handler's return address is the trampoline's first byte, and return addresses are
        // looked up one byte before.
        let range = address
            .checked_sub(1)
            .and_then(|start| self.text.offset(start))
            .zip(self.text.offset(address.saturating_add(TRAMPOLINE_LENGTH)))
            .and_then(|(start, end)| Some((start, end, Row::new(start, Rule::Signal)?)));
        if let Some((start, end, row)) = range {
            if self
                .parts
                .iter()
                .any(|part| part.start < end && start < part.end)
            {
                return;
            }
            let first = self.rows.len();
            self.rows.push(row);
            self.parts.push(Part {
                start,
                end,
                first,
                last: first + 1,
            });
        }
    }

    /// Adds the functions of the symbol table that are not described so far.
    fn infer(&mut self, file: &object::File<'_>) {
        self.parts.sort_by_key(|part| part.start);
        let described = self.parts.len();
        let mut functions: Vec<(u64, u64, bool)> = file
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
            .map(|symbol| {
                // Parts that the compiler split off are entered in the middle of the whole.
                let split = symbol.name().is_ok_and(|name| name.contains(".cold"));
                (symbol.address(), symbol.size(), split)
            })
            .collect();
        functions.sort_unstable();
        // Of several names of one function the largest size counts.
        functions.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = next.1;
            }
            same
        });
        let starts: Vec<u64> = functions.iter().map(|&(start, ..)| start).collect();
        let mut gaps = Vec::new();
        for (number, &(address, size, split)) in functions.iter().enumerate() {
            let (Some(start), Some(parts)) =
                (self.text.offset(address), self.parts.get(..described))
            else {
                continue;
            };
            let after = parts.partition_point(|part| part.start <= start);
            let before = after.checked_sub(1).and_then(|before| parts.get(before));
            if split || before.is_some_and(|part| start < part.end) {
                continue;
            }
            // Functions written in assembly may have no size: they reach to whatever is next.
            let text_end = self.text.start.saturating_add(self.text.length);
            let described_next = parts
                .get(after)
                .map(|part| self.text.start.saturating_add(part.start.into()));
            let end = [starts.get(number + 1).copied(), described_next]
                .into_iter()
                .flatten()
                .chain((size > 0).then(|| address.saturating_add(size)))
                .fold(text_end, u64::min);
            let length = end.saturating_sub(address).min(LONGEST_FUNCTION);
            gaps.push((start, address, length));
        }
        // The C compiler's own start-up code lacks descriptions in every program and is on no
        // stack that matters; a library without any is worth the time.
        if gaps.iter().map(|&(_, _, length)| length).sum::<u64>() < LEAST_GAP {
            return;
        }
        for (start, address, length) in gaps {
            if let Some(code) = code(file, address, length) {
                self.add_inferred(start, code, address);
            }
        }
    }

    fn add_inferred(&mut self, start: u32, code: &[u8], address: u64) {
        let Some(end) = u32::try_from(code.len())
            .ok()
            .and_then(|length| start.checked_add(length))
        else {
            return;
        };
        let first = self.rows.len();
        for (offset, rule) in rules(code, address) {
            let start = start.saturating_add(offset as u32);
            let row = Row::new(start, rule).unwrap_or(Row::unknown(start));
            self.rows.push(row);
        }
        self.parts.push(Part {
            start,
            end,
            first,
            last: self.rows.len(),
        });
    }

    /// All rows sorted, with an unknown row wherever no function is described.
    fn finish(mut self) -> (Vec<Row>, usize) {
        self.parts.sort_by_key(|part| part.start);
        let mut sorted: Vec<Row> = Vec::with_capacity(self.rows.len() + self.parts.len());
        let mut end = 0;
        for part in &self.parts {
            if part.start < end {
                self.skipped += 1;
                continue;
            }
            if part.start > end {
                push(&mut sorted, Row::unknown(end));
            }
            for row in self.rows.get(part.first..part.last).unwrap_or_default() {
                push(&mut sorted, *row);
            }
            end = part.end;
        }
        if !sorted.is_empty() {
            push(&mut sorted, Row::unknown(end));
        }
        (sorted, self.skipped)
    }
}

/// `length` bytes of code at `address`, or as many as its segment holds in the file.
fn code<'d>(file: &object::File<'d>, address: u64, length: u64) -> Option<&'d [u8]> {
    file.segments().find_map(|segment| {
        let left = segment
            .size()
            .checked_sub(address.checked_sub(segment.address())?)?;
        segment.data_range(address, length.min(left)).ok().flatten()
    })
}

/// Appends a row unless it says what the last one says.
fn push(rows: &mut Vec<Row>, row: Row) {
    match rows.last_mut() {
        Some(last) if (last.offset, last.packed) == (row.offset, row.packed) => {}
        Some(last) if last.start == row.start => *last = row,
        _ => rows.push(row),
    }
}
