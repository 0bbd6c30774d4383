//! The guest runtime: the freestanding image that the VMM maps into every guest.
//!
//! Thin by design: policy lives in `dangless-core`; here are the ways in ([`entry`]), the ways out
//! ([`exit`]), the instructions that edit the machine ([`cpu`]), the malloc ABI ([`family`], [`quick`])
//! and the log ([`log`]). One image serves ring 0 and ring 3; [`cpu`] is where they differ.
//!
//! There is no thread-local or process-wide mutable state but the heap's [`dangless_core::heap::Space`],
//! which synchronises itself; everything else hangs off the per-vCPU area ([`area`]).
#![no_std]
#![no_main]

mod area;
mod cpu;
mod entry;
mod exit;
mod family;
mod lender;
mod log;
mod memory;
mod quick;
mod roots;
mod stack;
mod upcall;

use core::panic::PanicInfo;

/// Tells the VMM what went wrong; the VMM ends the program.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut line = log::Line::new();
    let _ = core::fmt::write(&mut line, format_args!("{info}"));
    exit::panic(line.as_bytes())
}
