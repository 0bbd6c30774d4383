//! The program's own allocator as the lender of the blocks that objects lie in.
//!
//! Its `malloc` and `free` are called as any C function, on the program's stack, and never while a
//! heap is borrowed: they make system calls and are interrupted by signals and upcalls, all of
//! which may use the heap. What they call of the family themselves is served from the heap's own
//! memory, as are calls of a signal handler that interrupts them.

use crate::area;
use dangless_core::abi::config::aliasing;
use dangless_core::abi::layout;
use dangless_core::address::GuestVirtual;
use dangless_core::heap::{Layout, Lent};

/// What every allocator aligns to.
const ALIGNMENT: u64 = 16;

/// What came of asking for a block.
pub enum Answer {
    /// A block.
    Block(Lent),
    /// A whole object: the allocator has asked the family itself.
    Object(u64),
    /// It has no memory.
    Nothing,
}

/// The program's allocator, while nothing of it runs on this processor.
pub struct Lender {
    malloc: extern "C" fn(u64) -> u64,
    free: extern "C" fn(u64),
}

impl Lender {
    /// The allocator, if it is to be used and can be called now.
    #[inline]
    pub fn get() -> Option<Self> {
        if area::config().aliasing != aliasing::PROGRAM {
            return None;
        }
        Self::idle()
    }

    fn idle() -> Option<Self> {
        let config = area::config();
        // SAFETY: the area is this vCPU's own; a plain word is read.
        let busy = unsafe { (&raw const (*area::current()).lending).read_volatile() };
        if config.program_malloc == 0 || busy != 0 {
            return None;
        }
        // SAFETY: the VMM wrote the addresses of the program's own functions, before it led the
        // first call here.
        Some(unsafe {
            Self {
                malloc: core::mem::transmute::<u64, extern "C" fn(u64) -> u64>(
                    config.program_malloc,
                ),
                free: core::mem::transmute::<u64, extern "C" fn(u64)>(config.program_free),
            }
        })
    }

    /// A block for an object like that.
    pub fn lend(&self, layout: Layout) -> Answer {
        let align = layout.align.checked_next_power_of_two();
        // More than its own alignment is had by asking for more.
        let extra = align.map(|align| align.saturating_sub(ALIGNMENT));
        let bytes = extra.and_then(|extra| layout.size.max(1).checked_add(extra));
        let (Some(align), Some(bytes)) = (align, bytes) else {
            return Answer::Nothing;
        };
        let owner = busy(|| (self.malloc)(bytes));
        if owner == 0 {
            return Answer::Nothing;
        }
        if layout::is_alias(owner) {
            return Answer::Object(owner);
        }
        let align = if align > ALIGNMENT { align } else { 1 };
        let start = GuestVirtual(owner.next_multiple_of(align));
        Answer::Block(Lent { owner, start })
    }

    /// Whether the allocator itself has called, and returns to `pc`: a thread's end frees what the
    /// allocator kept for it by its own `free`.
    pub fn is_caller(&self, pc: u64) -> bool {
        let [start, end] = area::config().program_code;
        (start..end).contains(&pc)
    }

    /// Frees what only the allocator knows.
    pub fn free(&self, owner: u64) {
        busy(|| (self.free)(owner));
    }

    /// Takes a block back, `bytes` of which were used.
    pub fn take(&self, lent: Lent, bytes: u64) {
        if area::config().zero_on_free != 0 {
            // SAFETY: nobody reaches the block any more, and it was not given back yet.
            unsafe { core::ptr::write_bytes(lent.start.0 as *mut u8, 0, bytes as usize) };
        }
        self.free(lent.owner);
    }
}

/// Runs `call`, with the allocator marked busy on this processor.
fn busy<T>(call: impl FnOnce() -> T) -> T {
    mark(1);
    let answer = call();
    mark(0);
    answer
}

fn mark(value: u64) {
    // SAFETY: the area is this vCPU's own; a handler that interrupts the call reads it.
    unsafe { (&raw mut (*area::current()).lending).write_volatile(value) };
}
