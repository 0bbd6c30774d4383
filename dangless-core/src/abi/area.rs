//! The per-vCPU area: what GS points at, in both rings.
//!
//! The program never gets to change the GS base (CR4.FSGSBASE is off and `arch_prctl(ARCH_SET_GS)`
//! is refused), so `gs:0` finds the area without a swap, at either privilege level.
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 8 KiB | [`VcpuArea`] |
//! | [`GDT`] | 4 KiB | descriptor table |
//! | [`IDT`] | 4 KiB | interrupt descriptors |
//! | [`TSS`] | 12 KiB | task state segment and its I/O permission bitmap |
//! | [`FAULT_STACK`] | 16 KiB | stack of the exception entries (IST 1) |
//! | [`STACK`] | 64 KiB | stack of upcalls |

use super::error::{ErrorRecord, Frames};

/// Offset of the global descriptor table.
pub const GDT: u64 = 8 << 10;
/// Offset of the interrupt descriptor table.
pub const IDT: u64 = 12 << 10;
/// Offset of the task state segment.
pub const TSS: u64 = 16 << 10;
/// Offset of the lowest byte of the exception stack.
pub const FAULT_STACK: u64 = 32 << 10;
/// Bytes of the exception stack.
pub const FAULT_STACK_SIZE: u64 = 16 << 10;
/// Offset of the lowest byte of the upcall stack.
pub const STACK: u64 = 64 << 10;
/// Bytes of the upcall stack.
pub const STACK_SIZE: u64 = 64 << 10;
/// Bytes of the whole area.
pub const SIZE: u64 = 128 << 10;

/// Most pieces in one answer to [`Request::Roots`](super::exit::Request::Roots).
pub const MOST_ROOTS: usize = 200;

/// Most words in one answer to [`Request::Words`](super::exit::Request::Words).
pub const MOST_WORDS: usize = 2 * MOST_ROOTS;

/// Pieces of guest-physical memory that may hold pointers of the program, or such words themselves.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Roots {
    /// Valid pieces, at most [`MOST_ROOTS`], or words.
    pub count: u64,
    /// Where to go on asking; 0 after the last piece.
    pub next: u64,
    /// Guest-physical address and length of each, multiples of 8.
    pub pieces: [[u64; 2]; MOST_ROOTS],
}

/// Entries of [`Quick::fronts`]: sizes of up to a page in steps of 16 bytes.
pub const STEPS: usize = 4096 / 16 + 1;

/// What the runtime's quick ways through `malloc` and `free` go by.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Quick {
    /// The first of the addresses whose objects this thread may free quickly.
    pub start: u64,
    /// How many those are; 0 while there are several threads.
    pub bytes: u64,
    /// Where the window records are.
    pub records: u64,
    /// The front for each size; for those that are not handed out quickly the address of a zero word.
    pub fronts: [u64; STEPS],
}

/// The data at the start of the area. Offsets of the first fields are known to assembly.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct VcpuArea {
    /// Address of this record (`gs:0`).
    pub this: u64,
    /// Index of the vCPU.
    pub index: u64,
    /// Linux thread id of the thread that runs here.
    pub thread: u64,
    /// Not 0 while freed objects wait for their revocation: `syscall` finishes them first.
    pub pending: u64,
    /// Not 0 while the VMM looks at `pending` once a millisecond; written by the VMM.
    pub ticking: u64,
    /// Milliseconds for which the VMM need not interrupt because of `pending`: there would be no run
    /// time for revocations. Written by the runtime, counted down by the VMM.
    pub rest: u64,
    /// Where the `syscall` entry keeps the program's stack pointer.
    pub saved_sp: u64,
    /// Top of the upcall stack.
    pub stack_top: u64,
    /// Not 0 while a signal of the program waits for the runtime to finish; written by the VMM.
    pub signal: u64,
    /// Open contexts of the runtime's log.
    pub log_depth: u64,
    /// The thread's heap, owned by the runtime; 0 before `Upcall::Start`.
    pub heap: u64,
    /// Always 0.
    pub nothing: u64,
    /// What the quick ways through `malloc` and `free` go by; owned by the runtime.
    pub quick: Quick,
    /// Up to which epoch this processor has flushed, 0 while it is outside; see `heap::epoch`.
    pub flushed: u64,
    /// In the area of vCPU 0: the clock that counts epochs.
    pub clock: u64,
    /// Lowest address of the stack the program started on, and the address past its top: bounds
    /// for the stack walk; 0 if unknown.
    pub stack_low: u64,
    /// See `stack_low`.
    pub stack_high: u64,
    /// Not 0 while the program's own allocator runs for the family.
    pub lending: u64,
    /// What `Request::Walk` found.
    pub walk: Frames,
    /// What `Request::Roots` and `Request::Words` answer with.
    pub roots: Roots,
    /// The error record that `Request::Report` and `Upcall::Describe` speak of.
    pub error: ErrorRecord,
}

const _: () = assert!(core::mem::size_of::<VcpuArea>() <= GDT as usize);
