//! Leaving the guest: requests to the VMM.
//!
//! A request exits with `out`; the VMM answers in RAX. Memory that the VMM reads or writes on the
//! runtime's behalf is passed by address, so the assembly is a full memory barrier to the compiler.

use core::arch::asm;
use dangless_core::abi::exit::{Request, BUSY, FAILED, PORT_REQUEST};
use dangless_core::address::GuestPhysical;
use dangless_core::heap::Stop;

fn request(what: Request, first: u64, second: u64, third: u64) -> u64 {
    let mut answer = what as u64;
    // SAFETY: the exit itself changes RAX only; what the VMM does with the arguments is the
    // contract of each request, kept by the wrappers below.
    unsafe {
        asm!(
            "out {port}, al",
            port = const PORT_REQUEST,
            inout("rax") answer,
            in("rdi") first,
            in("rsi") second,
            in("rdx") third,
            options(nostack, preserves_flags),
        );
    }
    answer
}

/// More memory: `blocks` contiguous blocks of 2 MiB, zeroed; `None` when the limit is reached.
pub fn grant(blocks: u64, huge: bool) -> Option<GuestPhysical> {
    match request(Request::Grant, blocks, u64::from(huge), 0) {
        FAILED => None,
        start => Some(GuestPhysical(start)),
    }
}

/// Gives blocks back.
pub fn release(start: GuestPhysical, blocks: u64) {
    request(Request::Release, start.0, blocks, 0);
}

/// Zeroes whole pages by dropping them on the host.
pub fn discard(start: GuestPhysical, bytes: u64) {
    request(Request::Discard, start.0, bytes, 0);
}

/// Reports the error in this vCPU's area; returns only when the program is to go on.
pub fn report() {
    request(Request::Report, 0, 0, 0);
}

/// Hands one line to the VMM's log.
pub fn log(line: &[u8], level: u64) {
    request(Request::Log, line.as_ptr() as u64, line.len() as u64, level);
}

/// Has the VMM build and map the unwind table of the object whose code holds `address`.
pub fn unwind_table(address: u64) {
    request(Request::Unwind, address, 0, 0);
}

/// Has the VMM walk the stack from a call whose return address lies at `sp`: how many frames are in
/// the area's `walk`; `None` where the unwind table is needed.
pub fn walk(sp: u64, bp: u64, depth: usize) -> Option<usize> {
    match request(Request::Walk, sp, bp, depth as u64) {
        FAILED => None,
        found => usize::try_from(found).ok(),
    }
}

/// Has the VMM interrupt this vCPU once a millisecond while revocations wait.
pub fn tick() {
    request(Request::Tick, 0, 0, 0);
}

/// Has the VMM list, in this vCPU's area, what the program has touched from address `from` on.
pub fn roots(from: u64) {
    request(Request::Roots, from, 0, 0);
}

/// Has the VMM list, in this vCPU's area, words from number `from` on that are in no memory.
pub fn words(from: u64) {
    request(Request::Words, from, 0, 0);
}

/// Has the VMM stop all other threads.
pub fn stop() -> Stop {
    match request(Request::Stop, 0, 0, 0) {
        0 => Stop::Done,
        BUSY => Stop::Busy,
        _ => Stop::Refused,
    }
}

/// Has the VMM let them go on.
pub fn resume() {
    request(Request::Resume, 0, 0, 0);
}

/// Has the VMM make the other processors catch up.
pub fn hurry() {
    request(Request::Hurry, 0, 0, 0);
}

/// Lets other processors run.
pub fn give_up() {
    request(Request::Yield, 0, 0, 0);
}

/// Ends the program with a message.
pub fn panic(message: &[u8]) -> ! {
    loop {
        request(
            Request::Panic,
            message.as_ptr() as u64,
            message.len() as u64,
            0,
        );
    }
}
