//! Signal actions, the mask, and waiting for signals. The mask and the pending signals are those of
//! the host thread.

use crate::process::Outcome;
use crate::signals::mask;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{forward_with, host};
use crate::syscalls::state::Action;

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
    let old = {
        let mut shared = call.shared();
        let Some(old) = shared.actions.get(signal) else {
            return Err(Stop::Errno(libc::EINVAL));
        };
        if let Some(new) = new {
            if !shared.actions.set(signal, new) {
                return Err(Stop::Errno(libc::EINVAL));
            }
        }
        old
    };
    if let Some(new) = new {
        call.process.dispose(signal, &new)?;
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
/// EINVAL, EFAULT, a report of a freed pointer.
pub fn mask(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [how, new_at, old_at, size, ..] = call.arguments;
    check_size(size)?;
    let new = if new_at == 0 {
        0
    } else {
        call.read_u64(1, new_at)? & mask::ALL
    };
    if old_at != 0 {
        // Where it cannot be written nothing changes.
        let now = mask::get();
        call.write(2, old_at, &now.to_le_bytes())?;
    }
    let pointer = if new_at == 0 {
        0
    } else {
        &raw const new as u64
    };
    let mut old = 0u64;
    let old_pointer = &raw mut old as u64;
    let value = host::commit(call.entry.number, [how, pointer, old_pointer, 8, 0, 0]);
    if value == 0 && old_at != 0 {
        call.write(2, old_at, &old.to_le_bytes())?;
    }
    Ok(value)
}

/// `rt_sigsuspend`
///
/// # Errors
/// EINVAL, EFAULT, a report of a freed pointer.
pub fn suspend(call: &mut Call<'_>) -> Result<i64, Stop> {
    check_size(call.argument(1))?;
    let mask = call.read_u64(0, call.argument(0))? & mask::ALL;
    let pointer = &raw const mask as u64;
    let arguments = [pointer, 8, 0, 0, 0, 0];
    Ok(host::commit_masked(call.entry.number, arguments, mask))
}

/// `rt_sigtimedwait`
///
/// # Errors
/// EINVAL, EFAULT, a report of a freed pointer.
pub fn timed_wait(call: &mut Call<'_>) -> Result<i64, Stop> {
    check_size(call.argument(3))?;
    let set = call.read_u64(0, call.argument(0))? & mask::ALL;
    forward_with(call, &[(0, &raw const set as u64)])
}

/// `signalfd`, `signalfd4`
///
/// # Errors
/// EINVAL, EFAULT, EBADF, a report of a freed pointer.
pub fn descriptor(call: &mut Call<'_>) -> Result<i64, Stop> {
    check_size(call.argument(2))?;
    let set = call.read_u64(1, call.argument(1))? & mask::ALL;
    forward_with(call, &[(1, &raw const set as u64)])
}

/// `rt_sigreturn`
///
/// # Errors
/// That the program goes on where its handler interrupted it; its death by `SIGSEGV` if the frame
/// is none.
pub fn sigreturn(call: &mut Call<'_>) -> Result<i64, Stop> {
    Err(Stop::End(if call.process.return_from_handler() {
        Outcome::Resumed
    } else {
        Outcome::Killed(libc::SIGSEGV)
    }))
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
