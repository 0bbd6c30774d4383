//! The stack of a malloc-family call, for reports.
//!
//! The first few are walked by the VMM, which finds their functions in the program's file one by
//! one: a program that hardly allocates never pays for the unwind table. After those the VMM builds
//! the table, and stacks are walked here; a program without `.eh_frame` is walked by frame
//! pointers. Only the program's own stack is read, within the bounds that the VMM gave.

use crate::{area, exit};
use core::sync::atomic::{AtomicU8, Ordering};
use dangless_core::abi::error::{Frames, MAX_FRAMES};
use dangless_core::abi::layout;
use dangless_core::unwind::{Bounds, Position, StackMemory, Table, Walker};

/// The unwind table: below [`NONE`] not built yet, and so many stacks were walked by the VMM.
static TABLE: AtomicU8 = AtomicU8::new(0);
/// Stacks that the VMM walks: about as many as cost as much as building the table.
const REMOTE: u8 = 32;
/// There is no table.
const NONE: u8 = 254;
/// The table is mapped.
const MAPPED: u8 = 255;

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
        let walked = TABLE.load(Ordering::Relaxed);
        if walked < REMOTE && stack.fill_remotely(walked, sp, bp, depth) {
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

    /// Has the VMM walk, which has walked `walked` stacks so far; whether it could.
    #[cold]
    fn fill_remotely(&mut self, walked: u8, sp: u64, bp: u64, depth: usize) -> bool {
        let found = exit::walk(sp, bp, depth);
        let next = if found.is_some() { walked + 1 } else { REMOTE };
        // Where another thread was faster its number counts.
        let _ = TABLE.compare_exchange(walked, next, Ordering::Relaxed, Ordering::Relaxed);
        let Some(found) = found else {
            return false;
        };
        // SAFETY: the area is this vCPU's own; the VMM has just written the plain record.
        let walk: &Frames = unsafe { &(*area::current()).walk };
        self.length = found.min(depth);
        for (to, from) in self.frames.iter_mut().zip(&walk.address).take(self.length) {
            *to = *from;
        }
        true
    }
}

/// The program's unwind table; the VMM builds it at the first call.
fn table() -> Table<'static> {
    let mut state = TABLE.load(Ordering::Acquire);
    if state < NONE {
        state = if exit::unwind_table() == 0 {
            NONE
        } else {
            MAPPED
        };
        TABLE.store(state, Ordering::Release);
    }
    if state == NONE {
        return Table::EMPTY;
    }
    // SAFETY: the VMM has mapped a table there, read-only, for the life of the program.
    unsafe { Table::from_address(layout::UNWIND_TABLE, layout::UNWIND_TABLE_SIZE) }
        .unwrap_or(Table::EMPTY)
}
