//! x86-64 page tables: entries, the walk over them, and the promise to flush.
//!
//! The same code edits tables in the guest (over the direct map), on the host (over the VMM's
//! mapping of guest memory) and in tests; [`TableMemory`] is all it knows of where tables lie.
//! Every edit that takes a translation away returns a [`Flush`], which has to be handed on.

mod entry;
mod flush;
mod mapper;

pub use entry::{Entry, Flags};
pub use flush::{Flush, Flusher};
pub use mapper::{Level, MapError, Mapper, TableMemory, Translation};
