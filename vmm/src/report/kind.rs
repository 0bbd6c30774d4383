//! The kinds of errors that are reported.

use dangless_core::abi::error::{function, kind};
use serde::Serialize;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An access, by the program or by a system call, to an object that was freed.
    HeapUseAfterFree,
    /// An object was freed, or passed to `realloc`, after it was freed.
    DoubleFree,
    /// An address was freed, or passed to `realloc`, that is not the start of an object.
    BadFree,
    /// `malloc_usable_size` of an address that is not the start of a live object.
    #[serde(rename = "bad-malloc_usable_size")]
    BadMallocUsableSize,
    /// Any other access to memory that is not there.
    Segv,
}

impl Kind {
    /// The kind of a record with these numbers; numbers that mean nothing are a [`Kind::Segv`].
    #[must_use]
    pub const fn of(kind: u64, function: u64) -> Self {
        match (kind, function) {
            (kind::DOUBLE_FREE | kind::INVALID_FREE, function::USABLE_SIZE) => {
                Self::BadMallocUsableSize
            }
            (kind::DOUBLE_FREE, _) => Self::DoubleFree,
            (kind::INVALID_FREE, _) => Self::BadFree,
            (kind::FREED, _) => Self::HeapUseAfterFree,
            _ => Self::Segv,
        }
    }

    /// The name in the summary line; JSON has it in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeapUseAfterFree => "heap-use-after-free",
            Self::DoubleFree => "double-free",
            Self::BadFree => "bad-free",
            Self::BadMallocUsableSize => "bad-malloc_usable_size",
            Self::Segv => "SEGV",
        }
    }
}
