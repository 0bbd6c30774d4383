//! What `/proc/self` tells of a process: how it was started, and what its memory is made of.

use std::ops::Range;

/// What a program was started with.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Its file in memory.
    pub image: Range<u64>,
    /// Stack pointer at its first instruction.
    pub stack: u64,
    /// Where its arguments lie, each ended by a zero.
    pub arguments: Range<u64>,
    /// Where its environment lies, likewise.
    pub environment: Range<u64>,
    /// The auxiliary vector.
    pub auxiliary: Vec<u8>,
    /// Code of the vDSO.
    pub vdso: Range<u64>,
}

/// What stands behind a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Private memory.
    Memory,
    /// A host mapping: a file, or memory shared with others.
    Host,
    /// The data of the vDSO.
    Clock,
}

/// One mapping.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Its addresses.
    pub range: Range<u64>,
    /// `PROT_*`
    pub protection: i32,
    /// What is behind it.
    pub behind: Behind,
    /// Where it lies in this process, in order; nowhere for what was never backed.
    pub pieces: Vec<(u64, u64)>,
}

/// A process as it is now.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// How it was started.
    pub origin: Origin,
    /// Its mappings, by address.
    pub mappings: Vec<Mapping>,
    /// Bytes of memory of the protected heap.
    pub objects: u64,
    /// The program break.
    pub heap: Range<u64>,
    /// Its threads.
    pub threads: Vec<i32>,
}
