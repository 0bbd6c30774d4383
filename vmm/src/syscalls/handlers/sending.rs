//! Sending signals. To others they go through the host; to itself the process is answered here,
//! for on the host it is the VMM.

use crate::process::Outcome;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{forward, forward_with, host};
use crate::syscalls::state::{Delivery, SIGNALS};

/// `kill`. To the whole group of the process only the process itself is told.
///
/// # Errors
/// The end of the program; EPERM for every process at once.
pub fn kill(call: &mut Call<'_>) -> Result<i64, Stop> {
    let (target, signal) = (call.int(0), call.int(1));
    let own_group = host::commit(libc::SYS_getpgrp, [0; 6]);
    match target {
        -1 => Err(Stop::Errno(libc::EPERM)),
        0 => to_self(call, signal),
        _ if i64::from(target) == -own_group => to_self(call, signal),
        _ if is_own(target) => to_self(call, signal),
        _ => forward(call),
    }
}

/// `tkill`
///
/// # Errors
/// The end of the program.
pub fn tkill(call: &mut Call<'_>) -> Result<i64, Stop> {
    let (target, signal) = (call.int(0), call.int(1));
    to_thread(call, target, signal)
}

/// `tgkill`
///
/// # Errors
/// The end of the program.
pub fn tgkill(call: &mut Call<'_>) -> Result<i64, Stop> {
    let (group, target, signal) = (call.int(0), call.int(1), call.int(2));
    if is_own(group) {
        return to_thread(call, target, signal);
    }
    forward(call)
}

/// `rt_sigqueueinfo`
///
/// # Errors
/// The end of the program; EFAULT; a report of a freed pointer.
pub fn queue(call: &mut Call<'_>) -> Result<i64, Stop> {
    let (target, signal) = (call.int(0), call.int(1));
    if is_own(target) {
        call.read_array::<128>(2, call.argument(2))?;
        return to_self(call, signal);
    }
    forward(call)
}

/// `rt_tgsigqueueinfo`
///
/// # Errors
/// As [`queue`].
pub fn queue_thread(call: &mut Call<'_>) -> Result<i64, Stop> {
    let (group, target, signal) = (call.int(0), call.int(1), call.int(2));
    if is_own(group) {
        call.read_array::<128>(3, call.argument(3))?;
        return to_thread(call, target, signal);
    }
    forward(call)
}

/// `pidfd_send_signal`: which process a descriptor means is the kernel's to say, so a signal for
/// the process itself cannot be told apart and only the test whether it may be sent is made.
///
/// # Errors
/// EPERM for a signal other than 0; EBADF; EINVAL for data of the caller's.
pub fn by_descriptor(call: &mut Call<'_>) -> Result<i64, Stop> {
    if call.int(1) != 0 {
        return Err(Stop::Errno(libc::EPERM));
    }
    if call.argument(2) != 0 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    forward_with(call, &[(2, 0)])
}

/// The process's own `SIGPIPE` after a write to a pipe that nobody reads: the VMM ignores the
/// host's.
///
/// # Errors
/// The end of the program.
pub fn broken_pipe(call: &mut Call<'_>, value: i64) -> Result<i64, Stop> {
    if value == -i64::from(libc::EPIPE) {
        to_self(call, libc::SIGPIPE)?;
    }
    Ok(value)
}

/// Lets in the pending signals that `mask` does not block.
///
/// # Errors
/// The end of the program.
pub fn settle(call: &mut Call<'_>, mask: u64) -> Result<(), Stop> {
    while let Some((signal, delivery)) = call.state().signals.deliver(mask) {
        act(signal, delivery)?;
    }
    Ok(())
}

fn to_self(call: &mut Call<'_>, signal: i32) -> Result<i64, Stop> {
    if signal == 0 {
        return Ok(0);
    }
    if !(1..=SIGNALS).contains(&signal) {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let delivery = call.state().signals.raise(signal);
    act(signal, delivery)?;
    Ok(0)
}

fn to_thread(call: &mut Call<'_>, thread: i32, signal: i32) -> Result<i64, Stop> {
    if thread <= 0 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    if is_own(thread) {
        return to_self(call, signal);
    }
    // Not one of ours: the kernel says whether it exists.
    forward(call)
}

fn act(signal: i32, delivery: Delivery) -> Result<(), Stop> {
    match delivery {
        Delivery::Ignored | Delivery::Pending => Ok(()),
        Delivery::Stops => {
            // Job control is between the whole process and its shell.
            let own = u64::from(std::process::id());
            let stop = host::commit(libc::SYS_kill, [own, libc::SIGSTOP as u64, 0, 0, 0, 0]);
            crate::syscalls::engine::checked(stop).map(|_| ())
        }
        Delivery::Kills => Err(Stop::End(Outcome::Killed(signal))),
    }
}

/// Whether the number names a thread of this process.
fn is_own(number: i32) -> bool {
    if u32::try_from(number) == Ok(std::process::id()) {
        return true;
    }
    if number <= 0 {
        return false;
    }
    // Signal 0 to a thread of another process's group fails.
    let own = u64::from(std::process::id());
    host::commit(libc::SYS_tgkill, [own, number as u64, 0, 0, 0, 0]) == 0
}
