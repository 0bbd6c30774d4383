//! How the guest leaves to the VMM: `out imm8, al` on one of the ports below.
//!
//! No register but those named is read or changed, and no memory is touched by the exit itself.

/// The program executed `syscall`: registers are the program's own (RCX the return address, R11
/// the flags). The VMM sets RAX and resumes at RCX.
pub const PORT_SYSCALL: u8 = 0x10;
/// The runtime asks the VMM for something: RAX is a [`Request`], RDI, RSI, RDX its arguments;
/// the answer comes back in RAX.
pub const PORT_REQUEST: u8 = 0x11;
/// An upcall has finished: RAX is its result.
pub const PORT_UPCALL_DONE: u8 = 0x12;
/// The start-up probe got to its end: the host runs ring 0 natively.
pub const PORT_PROBE: u8 = 0x13;
/// A call of the malloc family is about to return, RSP at its return address, and the area's
/// `signal` was set: the VMM returns from it and serves the signal.
pub const PORT_CHECKPOINT: u8 = 0x14;
/// Exception `v` (0 to 31) leaves on `PORT_EXCEPTION + v`, RSP pointing at the frame that the
/// processor pushed (error code first, for the vectors that have one).
pub const PORT_EXCEPTION: u8 = 0x20;

/// What the answer of a request is when it failed.
pub const FAILED: u64 = u64::MAX;

/// Answer of [`Request::Stop`] to a thread that was stopped itself.
pub const BUSY: u64 = 1;

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u64)]
        pub enum $name { $($(#[$item])* $variant = $value,)* }

        impl $name {
            /// The variant with this number, if there is one.
            #[must_use]
            pub const fn from_number(number: u64) -> Option<Self> {
                match number { $($value => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

numbered!(
    /// What the runtime may ask of the VMM (register arguments in brackets).
    Request {
        /// More memory: [RDI] 2 MiB blocks, contiguous in guest-physical memory, zeroed;
        /// [RSI] 1 to back them with host huge pages. Answers the first block's address or `FAILED`.
        Grant = 1,
        /// Gives [RSI] blocks back from guest-physical address [RDI]; they are no longer the runtime's.
        Release = 2,
        /// Drops the contents of [RSI] bytes at guest-physical [RDI] (page multiples): they read
        /// zero afterwards and remain the runtime's.
        Discard = 3,
        /// The error record of this vCPU's area is filled in: report it. Answers what to do next,
        /// see [`crate::abi::error::Verdict`]; usually does not return.
        Report = 4,
        /// A log line of the runtime: [RDI] address, [RSI] bytes, [RDX] level (1 error to 5 trace).
        Log = 5,
        /// Builds and maps the unwind table of the object whose code holds [RDI], and enters it in
        /// the directory. Answers 0.
        Unwind = 6,
        /// The runtime cannot go on: [RDI] address and [RSI] length of a message. Does not return.
        Panic = 7,
        /// Freed objects have begun to wait and `ticking` of the area is 0: interrupt this vCPU
        /// once a millisecond while they do. Answers 0.
        Tick = 8,
        /// Walks the program's stack, while there is no unwind table yet: [RDI] stack pointer at a
        /// return address, [RSI] frame pointer, [RDX] most frames. Answers how many frames it put
        /// into `walk` of the area, or `FAILED` where only the table will do.
        Walk = 9,
        /// Memory waits for other processors: interrupt those whose `flushed` is neither 0 nor the
        /// clock and have them drain. Answers 0.
        Hurry = 10,
        /// Guest memory that the program has touched, for a conservative search: what its mappings
        /// from address [RDI] on hold, into `roots` of the area. Answers 0.
        Roots = 11,
        /// This vCPU waits for another: let others run. Answers 0.
        Yield = 12,
        /// Stops all other threads where they run no part of the runtime, or have asked for this
        /// themselves, and has every processor count as outside (see `heap::epoch`). Answers 0
        /// when they stand still, [`BUSY`] when this one was stopped by another instead, which
        /// has let it go, and `FAILED` where nobody can be stopped.
        Stop = 13,
        /// Ends what `Stop` began. Answers 0.
        Resume = 14,
        /// Words that may be pointers and lie in no memory of the program: what stopped threads
        /// have in registers, and what the host's kernel keeps. Into `roots` of the area, as words
        /// and not as pieces, from word [RDI] on. Answers 0.
        Words = 15,
    }
);

numbered!(
    /// What the VMM may ask of the runtime: it enters `upcall_entry` on the runtime's stack with
    /// RDI the number below and RSI, RDX, RCX the arguments.
    Upcall {
        /// Unmaps [RSI, RSI + RDX) of an application range and flushes. Answers 0.
        Unmap = 1,
        /// Describes address [RSI] in this vCPU's error record. Answers 1 if it belongs to a heap
        /// object live or freed, else 0.
        Describe = 2,
        /// Finishes every queued revocation. Answers 0.
        Drain = 3,
        /// Sets up the process-wide state and this vCPU's heap. Answers 0, or `FAILED` out of memory.
        Start = 4,
        /// A thread is about to start on vCPU [RSI], whose area exists: gives it a heap. By the
        /// thread that makes it, before it runs. Answers 0, or `FAILED` out of memory.
        ThreadStart = 5,
        /// The thread on vCPU [RSI] has ended, and that vCPU is outside: takes its heap back.
        /// Answers 0.
        ThreadExit = 6,
        /// This vCPU is about to run on after it was outside (see `heap::epoch`), or for the first
        /// time: flushes. Answers 0.
        CatchUp = 7,
    }
);
