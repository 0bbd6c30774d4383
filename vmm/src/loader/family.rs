//! Finding the malloc family in a symbol table.
//!
//! A program that is complete in itself has it in its own table, dynamic ones in the table of
//! exported symbols of whichever object defines it, mostly the C library. In a program's own table
//! global and weak functions count; a local function counts only where no other of its name
//! exists, since Rust's static-PIE programs carry their C library's symbols as local ones.
//! A static program holds those of the family that it calls, so any may be missing.

use crate::runtime;
use object::read::elf::{FileHeader, SectionHeader, Sym};
use object::{elf, Endianness, ReadRef};
use std::collections::HashMap;

/// A function of the program and the runtime's function that takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Address in the program, before the load bias.
    pub address: u64,
    /// Bytes of it, 0 if that is not known.
    pub size: u64,
    /// Address of the runtime's function.
    pub target: u64,
}

/// The malloc family of a program.
#[derive(Clone, Debug, Default)]
pub struct Family {
    /// What to replace; no address twice.
    pub replacements: Vec<Replacement>,
    /// `__errno_location`, before the load bias.
    pub errno_location: Option<u64>,
    /// `malloc` and `free`, before the load bias, if both are there.
    pub pair: Option<(u64, u64)>,
}

/// Names, and the functions that serve them; of names at one address the first counts (glibc's
/// `aligned_alloc` may be its `memalign`, which rounds alignments up). The inner names are glibc's
/// and musl's.
const NAMES: &[(&str, u64)] = &[
    ("malloc", runtime::DANGLESS_MALLOC),
    ("__libc_malloc", runtime::DANGLESS_MALLOC),
    ("__libc_malloc_impl", runtime::DANGLESS_MALLOC),
    ("free", runtime::DANGLESS_FREE),
    ("cfree", runtime::DANGLESS_FREE),
    ("__libc_free", runtime::DANGLESS_FREE),
    ("free_sized", runtime::DANGLESS_FREE),
    ("free_aligned_sized", runtime::DANGLESS_FREE),
    ("calloc", runtime::DANGLESS_CALLOC),
    ("__libc_calloc", runtime::DANGLESS_CALLOC),
    ("realloc", runtime::DANGLESS_REALLOC),
    ("__libc_realloc", runtime::DANGLESS_REALLOC),
    ("reallocarray", runtime::DANGLESS_REALLOCARRAY),
    ("__libc_reallocarray", runtime::DANGLESS_REALLOCARRAY),
    ("memalign", runtime::DANGLESS_MEMALIGN),
    ("__libc_memalign", runtime::DANGLESS_MEMALIGN),
    ("aligned_alloc", runtime::DANGLESS_ALIGNED_ALLOC),
    ("posix_memalign", runtime::DANGLESS_POSIX_MEMALIGN),
    ("__posix_memalign", runtime::DANGLESS_POSIX_MEMALIGN),
    ("valloc", runtime::DANGLESS_VALLOC),
    ("__libc_valloc", runtime::DANGLESS_VALLOC),
    ("pvalloc", runtime::DANGLESS_PVALLOC),
    ("__libc_pvalloc", runtime::DANGLESS_PVALLOC),
    ("malloc_usable_size", runtime::DANGLESS_MALLOC_USABLE_SIZE),
    ("__malloc_usable_size", runtime::DANGLESS_MALLOC_USABLE_SIZE),
];

/// Address and size of a function.
type Place = (u64, u64);

#[derive(Default)]
struct Found {
    global: Option<Place>,
    local: Vec<Place>,
}

impl Found {
    fn place(&self) -> Option<Place> {
        self.global.or(match self.local.as_slice() {
            [only] => Some(*only),
            _ => None,
        })
    }
}

/// What the names came to in a symbol table.
struct Names(HashMap<&'static [u8], Found>);

impl Names {
    /// Looks the names up in the symbol table of that kind; `None` if there is no such table.
    fn read<'data, R: ReadRef<'data>>(data: R, kind: elf::SectionType) -> Option<(Self, usize)> {
        let (symbols, text) = symbol_table(data, kind)?;
        let mut found: HashMap<&[u8], Found> = NAMES
            .iter()
            .map(|(name, _)| *name)
            .chain(ERRNO_LOCATIONS)
            .chain([FOREIGN])
            .map(|name| (name.as_bytes(), Found::default()))
            .collect();
        // Of most symbols the first letter and the length tell that they are none of these.
        let mut lengths = [0u64; 256];
        for name in found.keys() {
            if let [first, ..] = name {
                lengths[usize::from(*first)] |= 1 << name.len().min(63);
            }
        }
        for symbol in symbols {
            let endian = Endianness::Little;
            let value = symbol.st_value(endian);
            if symbol.st_type() != elf::STT_FUNC
                || symbol.st_shndx(endian) == elf::SHN_UNDEF
                || value == 0
            {
                continue;
            }
            let start = symbol.st_name(endian) as usize;
            let Some([first, ..]) = text.get(start..) else {
                continue;
            };
            let possible = lengths[usize::from(*first)];
            if possible == 0 {
                continue;
            }
            let Some(name) = text
                .get(start..)
                .and_then(|rest| rest.split(|&b| b == 0).next())
            else {
                continue;
            };
            if possible >> name.len().min(63) & 1 == 0 {
                continue;
            }
            let Some(entry) = found.get_mut(name) else {
                continue;
            };
            let place = (value, symbol.st_size(endian));
            if symbol.st_bind() == elf::STB_LOCAL {
                entry.local.push(place);
            } else {
                entry.global = Some(place);
            }
        }
        Some((Self(found), symbols.len()))
    }

    fn place(&self, name: &str) -> Option<Place> {
        self.0.get(name.as_bytes()).and_then(Found::place)
    }

    fn address(&self, name: &str) -> Option<u64> {
        self.place(name).map(|(address, _)| address)
    }

    /// Several local functions of that name: one of them may be the allocator's.
    fn is_unclear(&self, name: &str) -> bool {
        self.address(name).is_none()
            && self
                .0
                .get(name.as_bytes())
                .is_some_and(|found| !found.local.is_empty())
    }

    fn errno_location(&self) -> Option<u64> {
        ERRNO_LOCATIONS.iter().find_map(|name| self.address(name))
    }

    fn family(&self) -> Family {
        let mut family = Family {
            replacements: Vec::new(),
            errno_location: self.errno_location(),
            pair: self.address("malloc").zip(self.address("free")),
        };
        for (name, target) in NAMES {
            let Some((address, size)) = self.place(name) else {
                continue;
            };
            if !family.replacements.iter().any(|r| r.address == address) {
                family.replacements.push(Replacement {
                    address,
                    size,
                    target: *target,
                });
            }
        }
        family
    }
}

/// The symbol table of that kind and the bytes of its names, each read in one piece.
fn symbol_table<'data, R: ReadRef<'data>>(
    data: R,
    kind: elf::SectionType,
) -> Option<(&'data [elf::Sym64<Endianness>], &'data [u8])> {
    let endian = Endianness::Little;
    let header = elf::FileHeader64::<Endianness>::parse(data).ok()?;
    let sections = header.sections(endian, data).ok()?;
    let table = sections
        .iter()
        .find(|section| section.sh_type(endian) == kind)?;
    let strings = sections.iter().nth(table.sh_link(endian) as usize)?;
    let symbols = table.data_as_array(endian, data).ok()?;
    Some((symbols, strings.data(endian, data).ok()?))
}

/// What a search for the family came to.
#[derive(Clone, Debug)]
pub enum Search {
    /// It is there.
    Found(Family),
    /// The program has symbols, and no allocator among them: it has no heap to protect.
    NoHeap,
    /// The program has no symbols, or another allocator.
    Unknown,
}

/// Where a C library says that its errno lies.
const ERRNO_LOCATIONS: [&str; 2] = ["__errno_location", "___errno_location"];
/// An allocator that is not of the family: Go's.
const FOREIGN: &str = "runtime.mallocgc";

/// Looks for the family in a program that is complete in itself.
pub fn find<'data, R: ReadRef<'data>>(data: R) -> Search {
    let Some((names, count)) = Names::read(data, elf::SHT_SYMTAB) else {
        return Search::Unknown;
    };
    if count <= 1
        || names.address(FOREIGN).is_some()
        || names.is_unclear("malloc")
        || names.is_unclear("free")
    {
        return Search::Unknown;
    }
    let family = names.family();
    if family.replacements.is_empty() {
        return Search::NoHeap;
    }
    Search::Found(family)
}

/// The family that a dynamic program or a shared object offers to others. What offers only parts of
/// it builds on an allocator elsewhere: its `replacements` are empty.
pub fn exported<'data, R: ReadRef<'data>>(data: R) -> Family {
    let Some((names, _)) = Names::read(data, elf::SHT_DYNSYM) else {
        return Family::default();
    };
    if names.address("malloc").is_none() || names.address("free").is_none() {
        return Family {
            replacements: Vec::new(),
            errno_location: names.errno_location(),
            pair: None,
        };
    }
    names.family()
}
