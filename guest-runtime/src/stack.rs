//! The stack of a malloc-family call, for reports.
//!
//! The first few are walked by the VMM, which finds their functions in the program's file one by
//! one: a program that hardly allocates never pays for unwind tables. After those the VMM builds
//! the table of each object that a walk comes to, and stacks are walked here; code without
//! `.eh_frame` is walked by frame pointers. Only the program's own stack is read, within the bounds
//! that the VMM gave.

use crate::{area, exit};
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, AtomicU8, Ordering};
use dangless_core::abi::error::{Frames, MAX_FRAMES};
use dangless_core::abi::layout;
use dangless_core::unwind::directory::{self, Directory};
use dangless_core::unwind::{Bounds, Position, Rule, Rules, StackMemory, Table, Walker};

/// How many stacks were walked by the VMM.
static WALKED: AtomicU8 = AtomicU8::new(0);
/// Stacks that the VMM walks: about as many as cost as much as building a table.
const REMOTE: u8 = 32;

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
        let walked = WALKED.load(Ordering::Relaxed);
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
        let found = Walker::new(
            Tables::new(),
            memory,
            Bounds { low: sp, high },
            start,
            depth - 1,
        )
        .fill(rest);
        stack.length += found;
        stack
    }

    /// Has the VMM walk, which has walked `walked` stacks so far; whether it could.
    #[cold]
    fn fill_remotely(&mut self, walked: u8, sp: u64, bp: u64, depth: usize) -> bool {
        let found = exit::walk(sp, bp, depth);
        let next = if found.is_some() { walked + 1 } else { REMOTE };
        // Where another thread was faster its number counts.
        let _ = WALKED.compare_exchange(walked, next, Ordering::Relaxed, Ordering::Relaxed);
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

/// The program's unwind tables, each built by the VMM when a walk first comes to its object.
struct Tables {
    /// The object that the walk is in: its code, and its table.
    last: Cell<(u64, u64, Table<'static>)>,
}

impl Tables {
    fn new() -> Self {
        Self {
            last: Cell::new((0, 0, Table::EMPTY)),
        }
    }

    #[inline(never)]
    fn enter(&self, address: u64) -> Table<'static> {
        let words =
            core::ptr::with_exposed_provenance::<AtomicU64>(layout::UNWIND_DIRECTORY as usize);
        // SAFETY: the VMM has mapped the directory there for the life of the program; both sides
        // access it atomically.
        let words = unsafe { core::slice::from_raw_parts(words, directory::SPACE) };
        let directory = Directory::new(words);
        let mut entry = directory.find(address);
        if entry.is_some_and(|entry| entry.table == directory::UNBUILT) {
            exit::unwind_table(address);
            entry = directory.find(address);
        }
        let Some(entry) = entry else {
            return Table::EMPTY;
        };
        let reserved = layout::UNWIND_TABLES..layout::UNWIND_TABLES + layout::UNWIND_TABLES_SIZE;
        let table = if reserved.contains(&entry.table) {
            // SAFETY: the VMM has mapped a table there, read-only, for the life of the program.
            unsafe { Table::from_address(entry.table, reserved.end - entry.table) }
                .unwrap_or(Table::EMPTY)
        } else {
            Table::EMPTY
        };
        self.last.set((entry.start, entry.end, table));
        table
    }
}

impl Rules for Tables {
    #[inline]
    fn lookup(&self, address: u64) -> Rule {
        let (start, end, table) = self.last.get();
        if (start..end).contains(&address) {
            return table.lookup(address);
        }
        self.enter(address).lookup(address)
    }
}
