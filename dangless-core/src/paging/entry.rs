//! One page-table entry.
//!
//! Every leaf made here has its Accessed and Dirty bits set (KVM's shadow paging prefetches only
//! entries that are marked accessed, and no walk then has to write to the table) and its User bit
//! set (program and runtime share one privilege level, which may be ring 3).

use crate::address::{GuestPhysical, PAGE_SIZE};

/// What the program may do with a page beyond reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flags {
    /// Writes are allowed.
    pub write: bool,
    /// Instruction fetches are allowed.
    pub execute: bool,
}

impl Flags {
    /// Reads only.
    pub const READ: Self = Self {
        write: false,
        execute: false,
    };
    /// Data: reads and writes.
    pub const DATA: Self = Self {
        write: true,
        execute: false,
    };
}

/// One 8-byte entry of a table at any level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Entry(u64);

impl Entry {
    /// The entry translates.
    pub const PRESENT: u64 = 1;
    /// Writes are allowed.
    pub const WRITE: u64 = 1 << 1;
    /// Ring 3 is allowed.
    pub const USER: u64 = 1 << 2;
    /// The processor has used the entry.
    pub const ACCESSED: u64 = 1 << 5;
    /// The processor has written through the entry.
    pub const DIRTY: u64 = 1 << 6;
    /// The entry is a leaf although it is above the lowest level.
    pub const LARGE: u64 = 1 << 7;
    /// The heap's own mark, which processors ignore: the table is used by several entries.
    pub const SHARED: u64 = 1 << 9;
    /// Instruction fetches are refused.
    pub const NO_EXECUTE: u64 = 1 << 63;

    /// The bits that hold a frame's address.
    const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

    /// The entry that translates nothing.
    pub const ABSENT: Self = Self(0);

    /// The entry with these bits, as read from a table.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits, as written to a table.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// A leaf of the lowest level: one small page.
    #[must_use]
    pub const fn page(to: GuestPhysical, flags: Flags) -> Self {
        let mut bits =
            (to.0 & Self::ADDRESS) | Self::PRESENT | Self::USER | Self::ACCESSED | Self::DIRTY;
        if flags.write {
            bits |= Self::WRITE;
        }
        if !flags.execute {
            bits |= Self::NO_EXECUTE;
        }
        Self(bits)
    }

    /// A leaf above the lowest level: one large page.
    #[must_use]
    pub const fn large(to: GuestPhysical, flags: Flags) -> Self {
        Self(Self::page(to, flags).0 | Self::LARGE)
    }

    /// A link to the table one level down. It forbids nothing: the leaves decide.
    #[must_use]
    pub const fn table(at: GuestPhysical) -> Self {
        Self((at.0 & Self::ADDRESS) | Self::PRESENT | Self::WRITE | Self::USER | Self::ACCESSED)
    }

    /// Whether the entry translates.
    #[must_use]
    pub const fn is_present(self) -> bool {
        self.0 & Self::PRESENT != 0
    }

    /// Whether the entry, found above the lowest level, is a leaf.
    #[must_use]
    pub const fn is_large(self) -> bool {
        self.0 & Self::LARGE != 0
    }

    /// Start of the table, or of the leaf of `size` bytes, that the entry points to.
    #[must_use]
    pub const fn target(self, size: u64) -> GuestPhysical {
        GuestPhysical(self.0 & Self::ADDRESS & !(size - 1))
    }

    /// Start of the small page or table that the entry points to.
    #[must_use]
    pub const fn frame(self) -> GuestPhysical {
        self.target(PAGE_SIZE)
    }

    /// What the entry allows.
    #[must_use]
    pub const fn flags(self) -> Flags {
        Flags {
            write: self.0 & Self::WRITE != 0,
            execute: self.0 & Self::NO_EXECUTE == 0,
        }
    }

    /// Whether ring 3 may use the entry.
    #[must_use]
    pub const fn is_user(self) -> bool {
        self.0 & Self::USER != 0
    }
}
