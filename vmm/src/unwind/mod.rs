//! The unwind table of a program, made from its `.eh_frame`.
//!
//! | file | holds |
//! | --- | --- |
//! | [`build`] | from an ELF file to a [`ProgramTable`] |
//! | [`rule`] | from one DWARF row to one [`dangless_core::unwind::Rule`] |
//! | `infer` | rules for functions that have no DWARF, from their instructions |
//! | [`table`] | the finished table: a view for walks here, an image for the guest |
//! | [`direct`] | single rules without a table |
//!
//! DWARF comes from the program and is not trusted: a bad entry is skipped and counted, and the
//! code it spoke of is walked by
//! what its instructions do to the stack pointer, or by frame pointer.

pub mod build;
pub mod direct;
mod infer;
pub mod rule;
pub mod table;

pub use build::{build, UnwindError};
pub use table::ProgramTable;

#[cfg(test)]
mod tests;
