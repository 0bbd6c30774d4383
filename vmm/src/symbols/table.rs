//! The functions of an ELF symbol table.

use object::{Object, ObjectSymbol, SymbolKind};

struct Function<'a> {
    start: u64,
    size: u64,
    global: bool,
    name: &'a str,
}

impl Function<'_> {
    /// Smaller is better among names of one address: `malloc`, not `__libc_malloc`.
    fn rank(&self) -> (usize, bool, usize) {
        let underscores = self.name.bytes().take_while(|&byte| byte == b'_').count();
        (underscores, !self.global, self.name.len())
    }
}

/// Functions by address.
#[derive(Default)]
pub struct Table<'a> {
    functions: Vec<Function<'a>>,
}

impl<'a> Table<'a> {
    /// The functions that the files of one object name, exported ones too.
    pub fn of(files: &[&object::File<'a>]) -> Self {
        let mut functions: Vec<Function<'a>> = files
            .iter()
            .flat_map(|file| file.symbols().chain(file.dynamic_symbols()))
            .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
            .filter_map(|symbol| {
                Some(Function {
                    start: symbol.address(),
                    size: symbol.size(),
                    global: symbol.is_global(),
                    name: symbol.name().ok().filter(|name| !name.is_empty())?,
                })
            })
            .collect();
        functions.sort_by_cached_key(|function| (function.start, function.rank()));
        functions.dedup_by_key(|function| function.start);
        Self { functions }
    }

    /// The name of the function that holds `address`, as the file counts addresses.
    pub fn find(&self, address: u64) -> Option<&'a str> {
        let after = self
            .functions
            .partition_point(|function| function.start <= address);
        let function = self.functions.get(after.checked_sub(1)?)?;
        // Functions written in assembly may have no size: they reach to the next one.
        let inside = function.size == 0 || address - function.start < function.size;
        inside.then_some(function.name)
    }
}
