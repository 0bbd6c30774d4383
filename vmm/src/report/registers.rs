//! The general registers at an error.

use serde::Serialize;

use super::hex;

/// Registers as the program had them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names are the processor's")]
pub struct Registers {
    #[serde(serialize_with = "hex::number")]
    pub rax: u64,
    #[serde(serialize_with = "hex::number")]
    pub rbx: u64,
    #[serde(serialize_with = "hex::number")]
    pub rcx: u64,
    #[serde(serialize_with = "hex::number")]
    pub rdx: u64,
    #[serde(serialize_with = "hex::number")]
    pub rdi: u64,
    #[serde(serialize_with = "hex::number")]
    pub rsi: u64,
    #[serde(serialize_with = "hex::number")]
    pub rbp: u64,
    #[serde(serialize_with = "hex::number")]
    pub rsp: u64,
    #[serde(serialize_with = "hex::number")]
    pub r8: u64,
    #[serde(serialize_with = "hex::number")]
    pub r9: u64,
    #[serde(serialize_with = "hex::number")]
    pub r10: u64,
    #[serde(serialize_with = "hex::number")]
    pub r11: u64,
    #[serde(serialize_with = "hex::number")]
    pub r12: u64,
    #[serde(serialize_with = "hex::number")]
    pub r13: u64,
    #[serde(serialize_with = "hex::number")]
    pub r14: u64,
    #[serde(serialize_with = "hex::number")]
    pub r15: u64,
    #[serde(serialize_with = "hex::number")]
    pub rip: u64,
    #[serde(serialize_with = "hex::number")]
    pub rflags: u64,
    #[serde(serialize_with = "hex::number")]
    pub fs_base: u64,
}

impl Registers {
    /// The sixteen general registers with their names, in the order in which they are printed.
    #[must_use]
    pub const fn general(&self) -> [(&'static str, u64); 16] {
        [
            ("rax", self.rax),
            ("rbx", self.rbx),
            ("rcx", self.rcx),
            ("rdx", self.rdx),
            ("rdi", self.rdi),
            ("rsi", self.rsi),
            ("rbp", self.rbp),
            ("rsp", self.rsp),
            ("r8", self.r8),
            ("r9", self.r9),
            ("r10", self.r10),
            ("r11", self.r11),
            ("r12", self.r12),
            ("r13", self.r13),
            ("r14", self.r14),
            ("r15", self.r15),
        ]
    }
}
