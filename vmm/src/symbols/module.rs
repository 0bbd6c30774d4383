//! ELF files and where they are loaded.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::resolver::Resolver;

/// The bytes of an ELF file: a buffer, or a mapping of the file.
pub type Image = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// An ELF file in the guest's address space.
#[derive(Clone)]
pub struct Module {
    /// Path, as reports show it.
    pub path: String,
    /// The file's bytes.
    pub image: Image,
    /// The bytes of its separate debug file, empty if there is none.
    pub debug: Image,
    /// What its own addresses are moved by.
    pub bias: u64,
    /// Where it lies once moved.
    pub range: Range<u64>,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("path", &self.path)
            .field("bias", &self.bias)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// All ELF files of a guest. Nothing in them is read before a [`Resolver`] needs it.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    modules: Vec<Module>,
}

impl Symbols {
    /// Symbols of no file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file; where two overlap, the one added last counts.
    pub fn add(&mut self, module: Module) {
        self.modules.push(module);
    }

    /// Keeps only the `most` files that were added last.
    pub fn forget(&mut self, most: usize) {
        let surplus = self.modules.len().saturating_sub(most);
        self.modules.drain(..surplus);
    }

    /// Lookups over the files added so far.
    #[must_use]
    pub fn resolver(&self) -> Resolver<'_> {
        Resolver::new(&self.modules)
    }
}
