//! The protected heap: windowed aliasing, revocation, descriptions of addresses.
//!
//! Physical memory comes in 2 MiB *chunks* of objects of one size class. A *window* is 2 MiB of
//! fresh addresses mapped onto a whole chunk by one large-page entry; it gives addresses to one
//! *column* of the chunk, one object on each page, so that every object has a virtual page that no
//! other object uses. Freeing an object takes its page out of its window; only after the flush
//! that follows is its memory handed out again, under new addresses. Addresses are handed out
//! again only when no word of the program refers to them (`reclaim`).
//!
//! | module | holds |
//! | --- | --- |
//! | `machine` | what the heap needs: memory, flushes, a clock |
//! | `space` | the process-wide state and the operations of the malloc family |
//! | `front`, `chunk`, `chunks`, `wear` | handing objects out, and ceasing to |
//! | [`quick`] | what handing out and freeing are in most cases, for the runtime's assembly |
//! | `lease` | windows over a whole chunk, opened and closed by one store |
//! | `window` | the window table |
//! | `revoke`, `budget` | taking addresses away, at once or queued |
//! | `epoch`, `clock` | several processors: memory waits until all have flushed |
//! | `threads` | heaps of threads that start and end |
//! | `extent` | objects of more than a mebibyte |
//! | `paged`, `source` | the classic scheme instead of windows: pages for each object, over any allocator |
//! | `reclaim` | using addresses again that no pointer refers to |
//! | `reallocate` | what stays, moves with its memory, or is copied |
//! | `object` | from an address to its object; descriptions |
//! | `ledger`, `depot` | sizes and stacks of objects |
//! | `class` | size classes |
//! | `blocks`, `arena`, `tables` | memory: 2 MiB blocks, records, page tables |
//! | `lock`, `stack`, `handle` | spinlocks; lists; pointers to records |

mod arena;
mod blocks;
mod budget;
mod chunk;
mod chunks;
pub mod class;
mod clock;
mod depot;
mod epoch;
mod extent;
mod front;
mod handle;
mod lease;
mod ledger;
mod lock;
mod machine;
mod object;
mod paged;
pub mod picture;
pub mod quick;
mod reallocate;
mod reclaim;
mod revoke;
mod source;
mod space;
mod stack;
mod tables;
mod threads;
mod wear;
mod window;

use thiserror::Error;

pub use lock::set_yield;
pub use machine::{Machine, Stop};
pub use source::Lent;
pub use space::{Heap, Space};

use crate::abi::error::kind;

/// What an object should be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes; an object of 0 bytes has an address of its own as well.
    pub size: u64,
    /// Alignment; rounded up to a power of two, and never below 16.
    pub align: u64,
    /// The object reads zero.
    pub zeroed: bool,
}

/// There is no memory, or there are no addresses, for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("out of memory for heap objects: allow the machine more memory")]
pub struct OutOfMemory;

/// Why an address cannot be freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FreeError {
    /// The object was freed before.
    #[error("the object was freed before: free it once")]
    Double,
    /// The address lies in an object, live or freed, but is not its start.
    #[error("the address is not the start of its object: free what the allocation returned")]
    Interior,
    /// No object was ever handed out there.
    #[error("no heap object was ever there: free only what malloc and its family returned")]
    Foreign,
}

impl FreeError {
    /// The error's number in an error record, see [`kind`].
    #[must_use]
    pub const fn kind(self) -> u64 {
        match self {
            Self::Double => kind::DOUBLE_FREE,
            Self::Interior | Self::Foreign => kind::INVALID_FREE,
        }
    }
}

/// Why an object could not be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReallocateError {
    /// The old address is not a live object's.
    #[error(transparent)]
    Free(#[from] FreeError),
    /// There is no memory for the new object.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}
