//! Kicks: a signal that makes a thread's vCPU leave the guest.
//!
//! The handler sets `immediate_exit` of the vCPU that its thread runs, so a kick just before
//! `KVM_RUN` is not lost. A thread that is in no vCPU hardly notices; only threads that are inside
//! are kicked, so that a kick almost never meets a system call that is being served.

use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Once;

/// The signal that kicks: one that does not queue and that nothing else on Linux uses.
pub const KICK: i32 = libc::SIGSTKFLT;

thread_local! {
    /// `immediate_exit` of the vCPU that this thread runs, or null.
    static EXIT: Cell<*mut u8> = const { Cell::new(null_mut()) };
}

extern "C" fn leave(_signal: i32) {
    let exit = EXIT.get();
    if !exit.is_null() {
        // SAFETY: the thread registered the byte of its own vCPU and takes it back before the
        // vCPU goes elsewhere; the kernel reads it at any time.
        unsafe { AtomicU8::from_ptr(exit) }.store(1, Ordering::SeqCst);
    }
}

/// Registers the byte that makes the calling thread's vCPU leave; null to take it back.
pub fn register(exit: *mut u8) {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // SAFETY: installs a handler that only stores a byte, for a signal that nobody else uses;
        // the structure is zeroed and then filled in.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = leave as extern "C" fn(i32) as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(KICK, &action, null_mut());
        }
    });
    EXIT.set(exit);
}

/// Kicks a thread of this process.
pub fn kick(thread: i32) {
    // SAFETY: sends a signal whose handler only stores a byte.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, KICK) };
}

/// Runs `start` with every signal blocked, so that a thread that it makes takes none of the
/// program's.
pub fn unsignalled<T>(start: impl FnOnce() -> T) -> T {
    // SAFETY: the sets are ours; only this thread's mask changes, and only for a while.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut old: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut old);
        let made = start();
        libc::pthread_sigmask(libc::SIG_SETMASK, &old, null_mut());
        made
    }
}
