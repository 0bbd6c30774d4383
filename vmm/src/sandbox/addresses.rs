//! The heap's addresses: how many there are, and when they are used again.

use dangless_core::abi::layout;
use dangless_core::address::LARGE_PAGE_SIZE;

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
}

impl Addresses {
    /// The whole region.
    pub const ALL: Self = Self {
        size: layout::ALIAS_END - layout::ALIAS_BASE,
        reclaim: Reclaim::Auto,
    };

    /// End of the part of the alias region that is used.
    pub fn end(self) -> u64 {
        let size = self.size.clamp(LARGE_PAGE_SIZE, Self::ALL.size);
        layout::ALIAS_BASE + size / LARGE_PAGE_SIZE * LARGE_PAGE_SIZE
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
