//! From addresses to functions and source lines, for reports.
//!
//! | file | holds |
//! | --- | --- |
//! | [`frame`] | one line of a stack trace |
//! | [`module`] | an ELF file and where it is loaded |
//! | [`resolver`] | the lookups, over debug information and symbol tables parsed when first needed |
//! | `linkage` | functions called by way of the global offset table |
//! | [`separate`] | debug information in files of its own |
//! | [`table`] | the functions of an ELF symbol table |
//! | [`name`] | readable names of functions |
//!
//! Symbol tables and debug information come from the program and are not trusted: what does not
//! make sense leaves a frame with less to say.

pub mod frame;
mod linkage;
pub mod module;
mod name;
pub mod resolver;
pub mod separate;
mod table;

pub use frame::Frame;
pub use module::{Image, Module, Symbols};
pub use resolver::Resolver;

#[cfg(test)]
mod tests;
