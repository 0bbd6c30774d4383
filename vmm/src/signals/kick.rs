//! Kicks: a signal that makes a thread's vCPU leave the guest.
//!
//! The handler sets `immediate_exit` of the vCPU that its thread runs, so a kick just before
//! `KVM_RUN` is not lost. Only threads that are inside the guest are kicked while the program runs,
//! so that a kick almost never meets a system call that is being served; one that does is made
//! again. When the program ends, kicks interrupt calls that wait.

use super::slot;
use std::ptr::null_mut;
use std::sync::Once;

/// The signal that kicks: one that does not queue and that nothing else on Linux uses.
pub const KICK: i32 = libc::SIGSTKFLT;

extern "C" fn leave(_signal: i32, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    slot::with(|slot| {
        slot.kick();
        if slot.is_interrupted() {
            // SAFETY: the kernel passes the interrupted thread's context.
            unsafe { super::record::divert(context.cast()) };
        }
    });
}

/// Installs the handler.
pub fn prepare() {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // SAFETY: installs a handler that only stores words of its thread's slot, for a signal
        // that nobody else uses; the structure is zeroed and then filled in.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = leave as *const () as usize;
            action.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO;
            libc::sigfillset(&mut action.sa_mask);
            libc::sigaction(KICK, &action, null_mut());
        }
    });
}

/// Kicks a thread of this process.
pub fn kick(thread: i32) {
    // SAFETY: sends a signal whose handler only stores words.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, KICK) };
}
