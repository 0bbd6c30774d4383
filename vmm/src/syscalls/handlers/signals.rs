//! Signal dispositions, the mask, and waiting for signals.

use super::sending;
use crate::process::Outcome;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::host;
use crate::syscalls::state::Action;
use std::time::Duration;

/// `rt_sigaction`
///
/// # Errors
/// EINVAL, EFAULT, a report of a freed pointer.
pub fn action(call: &mut Call<'_>) -> Result<i64, Stop> {
    let signal = call.int(0);
    let [_, new_at, old_at, ..] = call.arguments;
    check_size(call.argument(3))?;
    let new = if new_at == 0 {
        None
    } else {
        Some(read_action(call, new_at)?)
    };
    let Some(old) = call.state().signals.action(signal) else {
        return Err(Stop::Errno(libc::EINVAL));
    };
    if let Some(new) = new {
        if !call.state().signals.set_action(signal, new) {
            return Err(Stop::Errno(libc::EINVAL));
        }
    }
    if old_at != 0 {
        let mut bytes = [0u8; 32];
        for (slot, word) in
            bytes
                .chunks_exact_mut(8)
                .zip([old.handler, old.flags, old.restorer, old.mask])
        {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        call.write(2, old_at, &bytes)?;
    }
    Ok(0)
}

/// `rt_sigprocmask`
///
/// # Errors
/// EINVAL, EFAULT, a report of a freed pointer; the end of the program by a signal let in.
pub fn mask(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [_, new_at, old_at, size, ..] = call.arguments;
    check_size(size)?;
    let old = call.state().signals.mask();
    if new_at != 0 {
        let set = call.read_u64(1, new_at)?;
        let new = match call.int(0) {
            libc::SIG_BLOCK => old | set,
            libc::SIG_UNBLOCK => old & !set,
            libc::SIG_SETMASK => set,
            _ => return Err(Stop::Errno(libc::EINVAL)),
        };
        call.state().signals.set_mask(new);
    }
    if old_at != 0 {
        call.write(2, old_at, &old.to_le_bytes())?;
    }
    let mask = call.state().signals.mask();
    sending::settle(call, mask)?;
    Ok(0)
}

/// `rt_sigpending`
///
/// # Errors
/// EINVAL, EFAULT, a report of a freed pointer.
pub fn pending(call: &mut Call<'_>) -> Result<i64, Stop> {
    let size = call.argument(1);
    if size > 8 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let signals = &call.state().signals;
    let set = (signals.pending() & signals.mask()).to_le_bytes();
    call.write(
        0,
        call.argument(0),
        set.get(..size as usize).unwrap_or(&set),
    )?;
    Ok(0)
}

/// `rt_sigsuspend`
///
/// # Errors
/// EINVAL, EFAULT, a report of a freed pointer; the end of the program by a signal let in.
pub fn suspend(call: &mut Call<'_>) -> Result<i64, Stop> {
    check_size(call.argument(1))?;
    let mask = call.read_u64(0, call.argument(0))?;
    sending::settle(call, mask)?;
    Ok(host::commit(libc::SYS_pause, [0; 6]))
}

/// `rt_sigtimedwait`
///
/// # Errors
/// EINVAL, EFAULT, a report of a freed pointer.
pub fn timed_wait(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [set_at, info_at, time_at, size, ..] = call.arguments;
    check_size(size)?;
    let set = call.read_u64(0, set_at)?;
    let time = match time_at {
        0 => None,
        at => {
            let seconds = call.read_u64(2, at)?;
            let nanoseconds = call.read_u64(2, at.wrapping_add(8))?;
            if i64::try_from(seconds).is_err() || nanoseconds >= 1_000_000_000 {
                return Err(Stop::Errno(libc::EINVAL));
            }
            Some(Duration::new(seconds, nanoseconds as u32))
        }
    };
    if let Some(signal) = call.state().signals.take(set) {
        if info_at != 0 {
            call.write(1, info_at, &own_info(signal))?;
        }
        return Ok(i64::from(signal));
    }
    // Only the process itself could send one, and it waits here.
    let Some(time) = time else {
        return Ok(host::commit(libc::SYS_pause, [0; 6]));
    };
    let wait = [time.as_secs(), u64::from(time.subsec_nanos())];
    match host::commit(libc::SYS_nanosleep, [wait.as_ptr() as u64, 0, 0, 0, 0, 0]) {
        0 => Err(Stop::Errno(libc::EAGAIN)),
        interrupted => Ok(interrupted),
    }
}

/// `rt_sigreturn`: no handler was ever entered, so there is no frame to return by, and Linux
/// answers a frame it cannot read with `SIGSEGV`.
///
/// # Errors
/// The end of the program.
pub fn sigreturn(_: &mut Call<'_>) -> Result<i64, Stop> {
    Err(Stop::End(Outcome::Killed(libc::SIGSEGV)))
}

fn check_size(size: u64) -> Result<(), Stop> {
    if size == 8 {
        return Ok(());
    }
    Err(Stop::Errno(libc::EINVAL))
}

fn read_action(call: &Call<'_>, at: u64) -> Result<Action, Stop> {
    Ok(Action {
        handler: call.read_u64(1, at)?,
        flags: call.read_u64(1, at.wrapping_add(8))?,
        restorer: call.read_u64(1, at.wrapping_add(16))?,
        mask: call.read_u64(1, at.wrapping_add(24))?,
    })
}

/// `siginfo_t` of a signal that the process sent to itself.
fn own_info(signal: i32) -> [u8; 128] {
    let mut info = [0u8; 128];
    let user = host::commit(libc::SYS_getuid, [0; 6]) as u32;
    info[..4].copy_from_slice(&signal.to_le_bytes());
    info[16..20].copy_from_slice(&std::process::id().to_le_bytes());
    info[20..24].copy_from_slice(&user.to_le_bytes());
    info
}
