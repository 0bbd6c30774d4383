//! Sets of signals, as the kernel has them: bit `n - 1` is signal `n`.
//!
//! What a thread of the program blocks is what its host thread blocks; but while a signal is
//! recorded the host thread blocks everything, and the slot holds the program's mask.

use super::kick::KICK;
use super::slot;

/// The bit of a signal; 0 for a number that is no signal.
#[must_use]
pub const fn bit(signal: i32) -> u64 {
    if signal >= 1 && signal <= 64 {
        1 << (signal - 1)
    } else {
        0
    }
}

/// Signals that nothing blocks.
pub const UNBLOCKABLE: u64 = bit(libc::SIGKILL) | bit(libc::SIGSTOP);
/// All that a thread of the program can block: the VMM's own stays open.
pub const ALL: u64 = !(UNBLOCKABLE | bit(KICK));

/// Sets the calling thread's mask; the one before.
pub fn set(mask: u64) -> u64 {
    change(libc::SIG_SETMASK, Some(mask & ALL))
}

/// The calling thread's mask.
#[must_use]
pub fn get() -> u64 {
    change(libc::SIG_SETMASK, None)
}

/// What the calling thread of the program blocks; from here on no signal comes, until
/// [`set_program`].
#[must_use]
pub fn hold() -> u64 {
    let before = set(ALL);
    slot::with(slot::Slot::recorded_mask).unwrap_or(before)
}

/// Sets what the calling thread of the program blocks: at once, or as soon as the signal that is
/// recorded has been delivered.
pub fn set_program(mask: u64) {
    // None may come between the look and the change.
    let _ = hold();
    if !slot::with(|slot| slot.replace_mask(mask & ALL)) {
        set(mask);
    }
}

fn change(how: i32, new: Option<u64>) -> u64 {
    let mut old = 0u64;
    let new = new.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both sets are of the kernel's size and ours.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, new, &raw mut old, 8) };
    old
}

/// Runs `start` with every signal blocked, so that a thread that it makes takes none of the
/// program's.
pub fn unsignalled<T>(start: impl FnOnce() -> T) -> T {
    let old = set(ALL);
    let made = start();
    set(old);
    made
}
