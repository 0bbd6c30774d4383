//! Finding the malloc family in a program's symbol table.
//!
//! Global and weak functions count; a local function counts only where no other of its name
//! exists, since Rust's static-PIE programs carry their C library's symbols as local ones.
//! A program is protected only if both `malloc` and `free` are found: with one alone, objects of
//! one allocator would reach the other.

use crate::runtime;
use object::{Object, ObjectSymbol, ReadRef, SymbolKind};
use std::collections::HashMap;

/// A function of the program and the runtime's function that takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Address in the program, before the load bias.
    pub address: u64,
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
}

/// Names, and the functions that serve them. The inner names are glibc's and musl's.
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
    ("aligned_alloc", runtime::DANGLESS_ALIGNED_ALLOC),
    ("memalign", runtime::DANGLESS_MEMALIGN),
    ("__libc_memalign", runtime::DANGLESS_MEMALIGN),
    ("posix_memalign", runtime::DANGLESS_POSIX_MEMALIGN),
    ("__posix_memalign", runtime::DANGLESS_POSIX_MEMALIGN),
    ("valloc", runtime::DANGLESS_VALLOC),
    ("__libc_valloc", runtime::DANGLESS_VALLOC),
    ("pvalloc", runtime::DANGLESS_PVALLOC),
    ("__libc_pvalloc", runtime::DANGLESS_PVALLOC),
    ("malloc_usable_size", runtime::DANGLESS_MALLOC_USABLE_SIZE),
    ("__malloc_usable_size", runtime::DANGLESS_MALLOC_USABLE_SIZE),
];

#[derive(Default)]
struct Found {
    global: Option<u64>,
    local: Vec<u64>,
}

impl Found {
    fn address(&self) -> Option<u64> {
        self.global.or(match self.local.as_slice() {
            [only] => Some(*only),
            _ => None,
        })
    }
}

/// Looks for the family; `None` if the program has no symbols or no `malloc` and `free`.
pub fn find<'data, R: ReadRef<'data>>(data: R) -> Option<Family> {
    let file = object::read::elf::ElfFile64::<object::Endianness, R>::parse(data).ok()?;
    let mut found: HashMap<&str, Found> = NAMES
        .iter()
        .map(|(name, _)| *name)
        .chain(["__errno_location", "___errno_location"])
        .map(|name| (name, Found::default()))
        .collect();
    for symbol in file.symbols() {
        if symbol.kind() != SymbolKind::Text || !symbol.is_definition() || symbol.address() == 0 {
            continue;
        }
        let Ok(bytes) = symbol.name_bytes() else { continue };
        let Some(entry) = std::str::from_utf8(bytes).ok().and_then(|name| found.get_mut(name)) else {
            continue;
        };
        if symbol.is_local() {
            entry.local.push(symbol.address());
        } else {
            entry.global = Some(symbol.address());
        }
    }
    let address = |name: &str| found.get(name).and_then(Found::address);
    if address("malloc").is_none() || address("free").is_none() {
        return None;
    }
    let mut family = Family {
        replacements: Vec::new(),
        errno_location: address("__errno_location").or_else(|| address("___errno_location")),
    };
    for (name, target) in NAMES {
        let Some(address) = address(name) else { continue };
        if !family.replacements.iter().any(|r| r.address == address) {
            family.replacements.push(Replacement {
                address,
                target: *target,
            });
        }
    }
    Some(family)
}
