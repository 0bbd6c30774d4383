//! Sending signals: through the host, which keeps them. The process's own death is told to the VMM
//! instead; so are signals to itself in a process that it shares with others.

use crate::process::Outcome;
use crate::signals::mask;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::reach::is_own;
use crate::syscalls::engine::{checked, forward, forward_with, host};
use crate::syscalls::state::{by_default, ByDefault, SIGNALS};

/// `kill`. To the whole group of the process only the process itself is told.
///
/// # Errors
/// The end of the program; EPERM for every process at once.
pub fn kill(call: &mut Call<'_>) -> Result<i64, Stop> {
    let (target, signal) = (call.int(0), call.int(1));
    let own_group = host::ask(libc::SYS_getpgrp, [0; 6]);
    match target {
        -1 if !(0..=SIGNALS).contains(&signal) => Err(Stop::Errno(libc::EINVAL)),
        -1 if signal == 0 => Ok(0),
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

/// `pidfd_send_signal`: which process a descriptor means stands in its file under `/proc`.
///
/// # Errors
/// As Linux; the end of the program; a report of a freed pointer.
pub fn by_descriptor(call: &mut Call<'_>) -> Result<i64, Stop> {
    let descriptor = call.descriptor(0)?;
    let (signal, at) = (call.int(1), call.argument(2));
    let mut info = [0u8; 128];
    let info = match call.read(2, at, &mut info) {
        _ if at == 0 => 0,
        Ok(()) => info.as_ptr() as u64,
        // The kernel looks at the descriptor first.
        Err(Stop::Errno(_)) => host::fence(),
        Err(stop) => return Err(stop),
    };
    let given = [(2, info)];
    if info != host::fence() && meant_by(descriptor).is_some_and(is_own) {
        // Whether the rest is right is the kernel's to say.
        let mut test = call.arguments;
        (test[1], test[2]) = (0, 0);
        checked(host::ask(call.entry.number, test))?;
        return to_self_with(call, signal, &given);
    }
    forward_with(call, &given)
}

/// The process or thread that a descriptor means, if it means any.
fn meant_by(descriptor: i32) -> Option<i32> {
    let text = std::fs::read_to_string(format!("/proc/thread-self/fdinfo/{descriptor}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    line.trim().parse().ok()
}

/// The program's `SIGPIPE` after a write to a pipe that nobody reads: a process that embeds the VMM
/// usually ignores the host's.
///
/// # Errors
/// The end of the program.
pub fn broken_pipe(call: &mut Call<'_>, value: i64) -> Result<i64, Stop> {
    if value == -i64::from(libc::EPIPE) && !call.process.owns_process() {
        to_self(call, libc::SIGPIPE)?;
    }
    Ok(value)
}

fn to_self(call: &mut Call<'_>, signal: i32) -> Result<i64, Stop> {
    to_self_with(call, signal, &[])
}

/// Sends a signal to the process itself; `given` are arguments in the host's terms.
fn to_self_with(call: &mut Call<'_>, signal: i32, given: &[(usize, u64)]) -> Result<i64, Stop> {
    if signal == 0 {
        return Ok(0);
    }
    let Some(action) = call.shared().actions.get(signal) else {
        return Err(Stop::Errno(libc::EINVAL));
    };
    let blocked = mask::get() & mask::bit(signal) != 0;
    if action.is_default() && !blocked && by_default(signal) == ByDefault::Kills {
        // Told to the VMM, so that it can say goodbye; then the process dies of it.
        return Err(Stop::End(Outcome::Killed(signal)));
    }
    if call.process.owns_process() {
        return forward_with(call, given);
    }
    // Other programs and the one that embeds them live in the same process: the signal is for the
    // calling thread.
    if action.is_default() && !blocked {
        return match by_default(signal) {
            ByDefault::Stops => {
                let own = u64::from(std::process::id());
                let stop = libc::SIGSTOP as u64;
                checked(host::commit(libc::SYS_kill, [own, stop, 0, 0, 0, 0]))
            }
            _ => Ok(0),
        };
    }
    if action.is_ignore() && !blocked {
        return Ok(0);
    }
    call.process.dispose(signal, &action)?;
    let own = u64::from(std::process::id());
    let thread = host::ask(libc::SYS_gettid, [0; 6]) as u64;
    let tell = [own, thread, signal as u64, 0, 0, 0];
    checked(host::commit(libc::SYS_tgkill, tell))
}

fn to_thread(call: &mut Call<'_>, thread: i32, signal: i32) -> Result<i64, Stop> {
    if thread <= 0 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    if i64::from(thread) == host::ask(libc::SYS_gettid, [0; 6]) {
        return to_self(call, signal);
    }
    if !call.process.owns_process() && is_own(thread) && signal != 0 {
        let action = call.shared().actions.get(signal);
        let action = action.ok_or(Stop::Errno(libc::EINVAL))?;
        if action.is_default() && by_default(signal) == ByDefault::Kills {
            return Err(Stop::End(Outcome::Killed(signal)));
        }
        if !action.is_handled() {
            return Ok(0);
        }
    }
    // The kernel says whether it exists, and what becomes of it.
    forward(call)
}
