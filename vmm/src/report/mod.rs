//! Reports of memory errors: what happened, as a value, as text and as JSON.
//!
//! | file | holds |
//! | --- | --- |
//! | [`kind`] | the kinds of errors |
//! | [`registers`] | the general registers at the error |
//! | [`access`] | what an instruction was doing to memory |
//! | [`scene`] | all that the VMM saw, from which a report is made |
//! | [`object`] | the heap object that an address belongs to |
//! | [`stack`] | stacks of a report |
//! | [`value`] | the report itself |
//! | [`text`] | its text, in AddressSanitizer's layout |
//! | [`json`] | its JSON, one object a line |
//! | [`hex`] | how JSON spells addresses |
//!
//! Records, registers, stacks and code come from the guest: a report is made of whatever they
//! hold, without a panic and within fixed bounds of memory.

pub mod access;
pub mod hex;
pub mod json;
pub mod kind;
pub mod object;
pub mod registers;
pub mod scene;
mod stack;
pub mod text;
pub mod value;

pub use access::{Access, AccessKind};
pub use kind::Kind;
pub use object::{HeapObject, Relation};
pub use registers::Registers;
pub use scene::{Scene, SystemCall, Thread};
pub use text::Text;
pub use value::{Report, Stacks};

#[cfg(test)]
mod tests;
