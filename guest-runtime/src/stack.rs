//! The stack of a malloc-family call, for reports.
//!
//! Walked with the unwind table that the VMM builds at the first request; a program without
//! `.eh_frame` is walked by frame pointers. Only the program's own stack is read, within the
//! bounds that the VMM gave.

use crate::{area, exit};
use core::sync::atomic::{AtomicU8, Ordering};
use dangless_core::abi::error::MAX_FRAMES;
use dangless_core::abi::layout;
use dangless_core::unwind::{Bounds, Position, StackMemory, Table, Walker};

/// Whether the unwind table was asked for: 0 not yet, 1 there is none, 2 mapped.
static TABLE: AtomicU8 = AtomicU8::new(0);

/// Return addresses, innermost first.
pub struct Stack {
    frames: [u64; MAX_FRAMES],
    length: usize,
}

impl Stack {
    /// The valid frames.
    pub fn frames(&self) -> &[u64] {
        self.frames.get(..self.length).unwrap_or_default()
    }

    /// Walks from a malloc-family entry whose stack pointer was `sp` and frame pointer `bp`; at
    /// most `depth` frames, the call itself being the first.
    ///
    /// # Safety
    /// `sp` points at the return address of a call on the stack that is running.
    pub unsafe fn capture(sp: u64, bp: u64, depth: usize) -> Self {
        let mut stack = Self {
            frames: [0; MAX_FRAMES],
            length: 0,
        };
        let depth = depth.min(MAX_FRAMES);
        if depth == 0 {
            return stack;
        }
        // SAFETY: the caller promises a return address there.
        let pc = unsafe { (sp as *const u64).read() };
        stack.frames[0] = pc;
        stack.length = 1;
        if depth == 1 {
            return stack;
        }
        // SAFETY: the area is this vCPU's own; plain words are read.
        let (low, high) = unsafe {
            let area = area::current();
            ((*area).stack_low, (*area).stack_high)
        };
        if !(low..high).contains(&sp) {
            return stack;
        }
        // SAFETY: from the stack pointer to the stack's top everything is mapped and only this
        // thread writes it.
        let memory = unsafe { StackMemory::new(sp, high) };
        let start = Position {
            pc,
            sp: sp + 8,
            bp,
            exact: false,
        };
        let rest = stack.frames.get_mut(1..depth).unwrap_or_default();
        let found =
            Walker::new(table(), memory, Bounds { low: sp, high }, start, depth - 1).fill(rest);
        stack.length += found;
        stack
    }
}

/// The program's unwind table; the VMM builds it at the first call.
fn table() -> Table<'static> {
    let mut state = TABLE.load(Ordering::Acquire);
    if state == 0 {
        state = if exit::unwind_table() == 0 { 1 } else { 2 };
        TABLE.store(state, Ordering::Release);
    }
    if state == 1 {
        return Table::EMPTY;
    }
    // SAFETY: the VMM has mapped a table there, read-only, for the life of the program.
    unsafe { Table::from_address(layout::UNWIND_TABLE, layout::UNWIND_TABLE_SIZE) }
        .unwrap_or(Table::EMPTY)
}
