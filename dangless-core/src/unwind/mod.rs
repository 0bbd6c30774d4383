//! A compact unwind table and the stack walk over it.
//!
//! The VMM translates a program's `.eh_frame` into the table once; the runtime walks stacks with
//! it at every recorded allocation, the VMM when it reports an error. Nothing here allocates, and
//! neither a damaged table nor a damaged stack can do more than end a walk early.
//!
//! | file | holds |
//! | --- | --- |
//! | [`row`] | one rule for one range of code, in eight bytes |
//! | [`table`] | rows and their lookup index, as they lie in guest memory |
//! | [`directory`] | which table speaks of which code |
//! | [`memory`] | how a walk reads the stack |
//! | [`walker`] | the walk itself |

pub mod directory;
pub mod memory;
pub mod row;
pub mod table;
pub mod walker;

pub use memory::{Memory, StackMemory};
pub use row::{Row, Rule};
pub use table::{Header, Table, TableError};
pub use walker::{Bounds, Caller, Position, Rules, Walker};
