//! Addresses of the guest, as types that never mix, and the sizes of pages.

use core::fmt;

/// Bytes in a small page.
pub const PAGE_SIZE: u64 = 4096;
/// Bytes in a large page, a chunk, a window and a block of guest memory.
pub const LARGE_PAGE_SIZE: u64 = 2 << 20;
/// Small pages in a large page.
pub const PAGES_PER_LARGE: u64 = LARGE_PAGE_SIZE / PAGE_SIZE;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The address `bytes` further on; wraps at 2^64 (callers check ranges before).
            #[must_use]
            pub const fn add(self, bytes: u64) -> Self {
                Self(self.0.wrapping_add(bytes))
            }

            /// The start of the `size`-aligned block that holds the address; `size` is a power of two.
            #[must_use]
            pub const fn align_down(self, size: u64) -> Self {
                Self(self.0 & !(size - 1))
            }

            /// The next `size`-aligned address at or above; `size` is a power of two; wraps at 2^64.
            #[must_use]
            pub const fn align_up(self, size: u64) -> Self {
                Self(self.0.wrapping_add(size - 1) & !(size - 1))
            }

            /// Bytes from the start of the `size`-aligned block; `size` is a power of two.
            #[must_use]
            pub const fn offset_in(self, size: u64) -> u64 {
                self.0 & (size - 1)
            }

            /// Whether the address is a multiple of `size`, a power of two.
            #[must_use]
            pub const fn is_aligned(self, size: u64) -> bool {
                self.offset_in(size) == 0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

address!(
    /// An address of guest-physical memory: an offset into the VMM's reservation.
    GuestPhysical
);
address!(
    /// An address as the program in the guest sees it.
    GuestVirtual
);
