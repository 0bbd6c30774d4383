//! Unwind rules looked up one by one, where a table would cost more than the few walks it serves.
//!
//! Only `.eh_frame` is read, and of its entries no more than where they begin and what code they
//! speak of (static programs of many distributions have no search table). It comes from the program
//! and is not trusted.

use super::rule::{of_row, Reader};
use crate::loader::file::open_program;
use dangless_core::unwind::Rule;
use gimli::{
    BaseAddresses, CieOrFde, EhFrame, EhFrameOffset, EndianSlice, LittleEndian, UnwindSection,
};
use object::{Object, ObjectSection, ReadCache};

use std::path::Path;

/// Most bytes of `.eh_frame` that are read for single look-ups.
const MOST: u64 = 4 << 20;

/// The rules of one program.
pub struct Rules {
    frames: Vec<u8>,
    bases: BaseAddresses,
    bias: u64,
    /// Start, end and entry of each function, sorted.
    functions: Vec<(u64, u64, EhFrameOffset)>,
}

impl Rules {
    /// The rules of the program at `path`, loaded with `bias`; `None` if it has none, or so many
    /// that a table is better.
    #[must_use]
    pub fn open(path: &Path, bias: u64) -> Option<Self> {
        let file = ReadCache::new(open_program(path).ok()?);
        let elf = object::File::parse(&file).ok()?;
        let section = elf.section_by_name(".eh_frame")?;
        if section.size() > MOST {
            return None;
        }
        let mut rules = Self {
            frames: section.data().ok()?.to_vec(),
            bases: BaseAddresses::default().set_eh_frame(section.address()),
            bias,
            functions: Vec::new(),
        };
        rules.functions = rules.index();
        Some(rules)
    }

    fn section(&self) -> EhFrame<Reader<'_>> {
        EhFrame::from(EndianSlice::new(&self.frames, LittleEndian))
    }

    fn index(&self) -> Vec<(u64, u64, EhFrameOffset)> {
        let section = self.section();
        let mut functions = Vec::with_capacity(self.frames.len() / 32);
        let mut entries = section.entries(&self.bases);
        // Neighbours share what most of them have in common.
        let mut common: Option<(EhFrameOffset, gimli::CommonInformationEntry<Reader<'_>>)> = None;
        // What follows a broken entry cannot be found.
        while let Ok(Some(entry)) = entries.next() {
            let CieOrFde::Fde(partial) = entry else {
                continue;
            };
            let entry = partial.parse(|section, bases, at| match &common {
                Some((known, entry)) if *known == at => Ok(entry.clone()),
                _ => {
                    let entry = section.cie_from_offset(bases, at)?;
                    common = Some((at, entry.clone()));
                    Ok(entry)
                }
            });
            if let Ok(entry) = entry {
                let at = EhFrameOffset(entry.offset());
                functions.push((entry.initial_address(), entry.end_address(), at));
            }
        }
        functions.sort_unstable_by_key(|&(start, ..)| start);
        functions
    }

    /// The rule for the instruction that holds `address`; `None` if no function is described there.
    #[must_use]
    pub fn lookup(&self, address: u64) -> Option<Rule> {
        let address = address.wrapping_sub(self.bias);
        let after = self
            .functions
            .partition_point(|&(start, ..)| start <= address);
        let &(_, end, at) = self.functions.get(after.checked_sub(1)?)?;
        if address >= end {
            return None;
        }
        let section = self.section();
        let entry = section
            .fde_from_offset(&self.bases, at, EhFrame::cie_from_offset)
            .ok()?;
        if entry.is_signal_trampoline() {
            return Some(Rule::Signal);
        }
        let encoding = entry.cie().encoding();
        let mut context = gimli::UnwindContext::<usize>::new();
        let row = entry
            .unwind_info_for_address(&section, &self.bases, &mut context, address)
            .ok()?;
        Some(of_row(row, &section, encoding))
    }
}
