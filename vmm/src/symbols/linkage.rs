//! Whom code of a dynamic object calls by way of its global offset table.

use object::{Object, ObjectSymbol, ObjectSymbolTable, RelocationTarget};

/// `jmp [rip + distance]`
const JUMP: [u8; 2] = [0xff, 0x25];
/// `call [rip + distance]`
const CALL: [u8; 2] = [0xff, 0x15];
/// `endbr64`, first in the stubs of some linkers.
const LANDING: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
/// The prefix `bnd`, which some stubs have.
const BOUND: u8 = 0xf2;
/// Bytes of an indirect jump or call.
const LENGTH: u64 = 6;

/// The entries of an object's global offset table that the dynamic linker fills with functions.
#[derive(Default)]
pub struct Linkage<'a> {
    /// Address of the entry and name of the function, sorted.
    entries: Vec<(u64, &'a str)>,
}

impl<'a> Linkage<'a> {
    /// What the relocations of `file` say.
    pub fn of(file: &object::File<'a>) -> Self {
        let (Some(relocations), Some(symbols)) =
            (file.dynamic_relocations(), file.dynamic_symbol_table())
        else {
            return Self::default();
        };
        let mut entries: Vec<(u64, &'a str)> = relocations
            .filter_map(|(at, relocation)| {
                let RelocationTarget::Symbol(index) = relocation.target() else {
                    return None;
                };
                let name = symbols.symbol_by_index(index).ok()?.name().ok()?;
                (!name.is_empty()).then_some((at, name))
            })
            .collect();
        entries.sort_unstable();
        Self { entries }
    }

    fn entry(&self, at: u64) -> Option<&'a str> {
        let index = self.entries.binary_search_by_key(&at, |&(at, _)| at).ok()?;
        self.entries.get(index).map(|&(_, name)| name)
    }

    /// The function that a stub of the procedure linkage table at `address` jumps to; `code` are
    /// its bytes.
    pub fn stub(&self, address: u64, code: &[u8]) -> Option<&'a str> {
        let (address, code) = match code.strip_prefix(&LANDING) {
            Some(rest) => (address.wrapping_add(4), rest),
            None => (address, code),
        };
        let (address, code) = match code.split_first() {
            Some((&BOUND, rest)) => (address.wrapping_add(1), rest),
            _ => (address, code),
        };
        self.target(address, code.strip_prefix(&JUMP)?)
    }

    /// The function that the instruction at `address` calls, if it calls through the table; `code`
    /// are its bytes.
    pub fn call(&self, address: u64, code: &[u8]) -> Option<&'a str> {
        self.target(address, code.strip_prefix(&CALL)?)
    }

    /// The function behind the entry at `distance` from the end of the instruction at `address`.
    fn target(&self, address: u64, distance: &[u8]) -> Option<&'a str> {
        let distance = i32::from_le_bytes(distance.get(..4)?.try_into().ok()?);
        let end = address.wrapping_add(LENGTH);
        self.entry(end.wrapping_add_signed(distance.into()))
    }
}
