//! One line of a stack trace.

use serde::Serialize;

use crate::report::hex;

/// A function on a stack, and where in it the stack stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// The faulting instruction, or for a caller the last byte of its call.
    #[serde(serialize_with = "hex::number")]
    pub pc: u64,
    /// Name, demangled where it is a C++ or Rust name.
    pub function: Option<String>,
    /// Source file, as an absolute path where the compiler recorded its directory.
    pub file: Option<String>,
    /// Line in `file`, from 1.
    pub line: Option<u32>,
    /// Column in `line`, from 1.
    pub column: Option<u32>,
    /// Path of the ELF file that holds `pc`.
    pub module: Option<String>,
    /// `pc` as the ELF file counts addresses.
    #[serde(serialize_with = "hex::optional")]
    pub offset: Option<u64>,
    /// Whether the compiler put the function's code inside that of the next frame.
    pub inlined: bool,
}
