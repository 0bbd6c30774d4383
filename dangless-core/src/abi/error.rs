//! The record in which the runtime describes a memory error, or an address, to the VMM.

/// Most frames of one stack.
pub const MAX_FRAMES: usize = 32;

/// Kinds of [`ErrorRecord::kind`].
pub mod kind {
    /// Nothing wrong: the address is inside a live object.
    pub const LIVE: u64 = 0;
    /// The address is inside an object that was freed.
    pub const FREED: u64 = 1;
    /// An object was freed twice.
    pub const DOUBLE_FREE: u64 = 2;
    /// `free` of an address that is not an object's start.
    pub const INVALID_FREE: u64 = 3;
    /// The address is in the alias region but in no object, live or freed.
    pub const WILD: u64 = 4;
}

/// Which function of the malloc family found the error, in [`ErrorRecord::function`].
pub mod function {
    /// None: found by an access or a system call.
    pub const NONE: u64 = 0;
    /// `free`
    pub const FREE: u64 = 1;
    /// `realloc` or `reallocarray`
    pub const REALLOC: u64 = 2;
    /// `malloc_usable_size`
    pub const USABLE_SIZE: u64 = 3;
}

/// What the VMM answers to [`crate::abi::exit::Request::Report`].
pub mod verdict {
    /// Ignore the faulty call and go on.
    pub const CONTINUE: u64 = 0;
}

/// A stack of return addresses, innermost first; `length` frames are valid.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Frames {
    /// Valid frames, at most [`MAX_FRAMES`] (the VMM checks).
    pub length: u64,
    /// Return addresses.
    pub address: [u64; MAX_FRAMES],
}

/// One memory error, or the description of one address.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ErrorRecord {
    /// See [`kind`].
    pub kind: u64,
    /// See [`function`].
    pub function: u64,
    /// The address in question.
    pub address: u64,
    /// First byte of the object, 0 if there is none.
    pub object: u64,
    /// Bytes the program asked for (or the slot's size where that is not recorded).
    pub size: u64,
    /// Thread that allocated.
    pub alloc_thread: u64,
    /// Thread that freed, valid when the object is freed.
    pub free_thread: u64,
    /// Where the error was found, when the runtime found it (double or invalid free): return
    /// address of the malloc-family call first.
    pub access: Frames,
    /// Where the object was allocated.
    pub alloc: Frames,
    /// Where it was freed.
    pub free: Frames,
}
