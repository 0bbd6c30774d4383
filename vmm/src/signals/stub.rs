//! System calls that a recorded signal interrupts without loss.
//!
//! A signal may arrive after the last look at the slot and before the kernel is entered; a call
//! that then waits would sleep on it. So the look and the call are one short piece of assembly, and
//! the handler moves a thread that it finds inside from there to the exit that says
//! [`RESTART`]: the call was not made, or made and cut short by the kernel in a way that it may be
//! made again. A call that the kernel ends with `EINTR` is past the piece and returns that. (After
//! the way in which musl makes `pthread_cancel` safe.)

use super::slot;
use std::arch::global_asm;

/// The error of a call that must be made again once the signal has been served (`ERESTARTSYS`).
pub const RESTART: i32 = 512;

global_asm!(
    ".pushsection .text.dangless_call,\"ax\",@progbits",
    ".irp name,dangless_call,dangless_call_begin,dangless_call_end,dangless_call_cancel",
    ".globl \\name",
    ".hidden \\name",
    ".endr",
    ".balign 16",
    "dangless_call:",
    "mov rcx, rdi",
    "mov rax, rsi",
    "mov r11, rdx",
    "mov rdi, [r11]",
    "mov rsi, [r11 + 8]",
    "mov rdx, [r11 + 16]",
    "mov r10, [r11 + 24]",
    "mov r8, [r11 + 32]",
    "mov r9, [r11 + 40]",
    "dangless_call_begin:",
    "cmp dword ptr [rcx], 0",
    "jne dangless_call_cancel",
    "syscall",
    "dangless_call_end:",
    "ret",
    "dangless_call_cancel:",
    "mov rax, -512",
    "ret",
    ".popsection",
);

extern "C" {
    fn dangless_call(interrupt: *const u32, number: i64, arguments: *const u64) -> i64;
    static dangless_call_begin: u8;
    static dangless_call_end: u8;
    static dangless_call_cancel: u8;
}

/// Makes a system call: its value, or the negative error; [`RESTART`] if a signal is recorded or
/// arrives before the call has done anything.
///
/// # Safety
/// The arguments must be ones that the kernel may be given: every pointer among them leads to
/// memory of the kind that the call wants, or nowhere.
#[must_use]
pub unsafe fn call(number: i64, arguments: &[u64; 6]) -> i64 {
    slot::with(|slot| {
        // SAFETY: the slot outlives the call; the rest is the caller's promise.
        unsafe { dangless_call(slot.interrupt.as_ptr(), number, arguments.as_ptr()) }
    })
}

/// Where a thread at `pc` must go on instead when a signal was recorded.
#[must_use]
pub fn divert(pc: u64) -> Option<u64> {
    let begin = &raw const dangless_call_begin as u64;
    let end = &raw const dangless_call_end as u64;
    (begin..end)
        .contains(&pc)
        .then_some(&raw const dangless_call_cancel as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_pass_six_arguments_and_return_errors() {
        // SAFETY: no pointers.
        let pid = unsafe { call(libc::SYS_getpid, &[0; 6]) };
        assert_eq!(pid, i64::from(std::process::id()));
        // SAFETY: a mapping of no bytes is refused.
        let refused = unsafe { call(libc::SYS_mmap, &[0, 0, 0, 0, 0, 0]) };
        assert_eq!(refused, -i64::from(libc::EINVAL));
        let mut word = 7u32;
        let at = &raw mut word as u64;
        // FUTEX_WAKE_OP with the sixth argument as the operation: sets the word to 9.
        let set = 9 << 12;
        let arguments = [at, libc::FUTEX_WAKE_OP as u64, 0, 0, at, set];
        // SAFETY: both pointers lead to the word.
        assert_eq!(unsafe { call(libc::SYS_futex, &arguments) }, 0);
        assert_eq!(word, 9);
    }
}
