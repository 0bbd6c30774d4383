//! The heap's addresses: how many there are, how objects get theirs, when they are used again.

use dangless_core::abi::config::aliasing;
use dangless_core::abi::layout;
use dangless_core::address::LARGE_PAGE_SIZE;

/// How objects get their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Aliasing {
    /// In windows of 2 MiB, each mapped at once and for many objects.
    #[default]
    Window,
    /// The classic scheme, to compare with: pages with an entry each, written and cleared for one
    /// object. Addresses are then never used again.
    Page,
    /// As [`Page`](Self::Page), over blocks of the program's own malloc, whatever that is, instead
    /// of the heap's own memory.
    Program,
}

/// When addresses of freed objects are used again that no word of the program refers to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reclaim {
    /// When records of dead windows take 64 MiB, or a quarter of the addresses is used up.
    #[default]
    Auto,
    /// Never: allocation fails when the addresses are used up.
    Never,
    /// When so many bytes of addresses were used since the last time.
    After(u64),
}

/// What the heap is told about its addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub size: u64,
    pub reclaim: Reclaim,
    pub aliasing: Aliasing,
}

impl Addresses {
    /// The whole region.
    pub const ALL: Self = Self {
        size: layout::ALIAS_END - layout::ALIAS_BASE,
        reclaim: Reclaim::Auto,
        aliasing: Aliasing::Window,
    };

    /// End of the part of the alias region that is used.
    pub fn end(self) -> u64 {
        let size = self.size.clamp(LARGE_PAGE_SIZE, Self::ALL.size);
        layout::ALIAS_BASE + size / LARGE_PAGE_SIZE * LARGE_PAGE_SIZE
    }

    /// As `Config::aliasing` has it.
    pub fn aliasing(self) -> u64 {
        match self.aliasing {
            Aliasing::Window => aliasing::WINDOW,
            Aliasing::Page => aliasing::PAGE,
            Aliasing::Program => aliasing::PROGRAM,
        }
    }

    /// As `Config::reclaim` has it.
    pub fn period(self) -> u64 {
        match self.reclaim {
            Reclaim::Auto => 0,
            Reclaim::Never => u64::MAX,
            Reclaim::After(bytes) => bytes.div_ceil(LARGE_PAGE_SIZE).max(1),
        }
    }
}
