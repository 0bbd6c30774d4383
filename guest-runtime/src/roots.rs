//! The words in which the program may hold a pointer, for the heap's conservative search.
//!
//! This thread is in an allocation: of its registers only those that a call preserves can still hold
//! anything, and the runtime's own frames lie on the program's stack. All other threads are stopped,
//! and the VMM names what they have in registers. The program's memory is read through the
//! direct map, so protections do not matter; the VMM says which pages were ever touched.

use crate::{area, exit};
use core::arch::asm;
use dangless_core::abi::area::{Roots, MOST_ROOTS, MOST_WORDS};
use dangless_core::abi::layout;

/// Calls `visit` with every such word; `false` where the VMM does not say where they are.
pub fn visit(mut visit: impl FnMut(u64)) -> bool {
    let mut registers = [0u64; 6];
    // SAFETY: stores six registers into an array of six words.
    unsafe {
        asm!(
            "mov [{to}], rbx",
            "mov [{to} + 8], rbp",
            "mov [{to} + 16], r12",
            "mov [{to} + 24], r13",
            "mov [{to} + 32], r14",
            "mov [{to} + 40], r15",
            to = in(reg) registers.as_mut_ptr(),
            options(nostack, preserves_flags),
        );
    }
    registers.into_iter().for_each(&mut visit);
    let words = ask(exit::words, MOST_WORDS, |answer| {
        let words = answer.pieces.as_flattened();
        words[..answer.count as usize]
            .iter()
            .for_each(|&word| visit(word));
    });
    words
        && ask(exit::roots, MOST_ROOTS, |answer| {
            for [start, length] in &answer.pieces[..answer.count as usize] {
                let start = layout::DIRECT_MAP + start;
                for at in (start..start + length).step_by(8) {
                    // SAFETY: the VMM names guest memory that exists, all of which the direct map
                    // has; the program may write it, which a volatile read does not mind.
                    visit(unsafe { (at as *const u64).read_volatile() });
                }
            }
        })
}

/// Asks the VMM until it has told everything, each time at most so much; `false` where it does not
/// tell.
fn ask(request: fn(u64), most: usize, mut take: impl FnMut(&Roots)) -> bool {
    let mut from = 0;
    loop {
        // SAFETY: the area is this vCPU's own; the record is plain data, which the VMM fills in.
        let answer = unsafe {
            (&raw mut (*area::current()).roots.count).write_volatile(u64::MAX);
            request(from);
            (&raw const (*area::current()).roots).read_volatile()
        };
        if answer.count > most as u64 {
            return false;
        }
        take(&answer);
        if answer.next == 0 {
            return true;
        }
        from = answer.next;
    }
}
