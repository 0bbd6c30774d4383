//! `seccomp` and its elder form in `prctl`; and what a thread has given up, before every call.

use crate::process::{Outcome, Process};
use crate::seccomp::filter::{INSTRUCTION, LONGEST};
use crate::seccomp::{action, Action, Data, Filter, Mode};
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::host;

/// The flags that are known here: no listener can be made.
const FLAGS: u64 = libc::SECCOMP_FILTER_FLAG_TSYNC
    | libc::SECCOMP_FILTER_FLAG_LOG
    | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW
    | libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH;

/// Bytes before the pointer in `struct sock_fprog`.
const POINTER: usize = 8;

/// `CAP_SYS_ADMIN`
const SYS_ADMIN: u32 = 21;

/// What becomes of a call that the thread has given up; `None` if it has not.
pub fn judge(process: &dyn Process, number: u32, arguments: &[u64; 6]) -> Option<Outcome> {
    let cell = process.seccomp();
    if !cell.is_closed() {
        return None;
    }
    if cell.take_owed() {
        // It cannot fail.
        let _ = host::ask(
            libc::SYS_prctl,
            [libc::PR_SET_NO_NEW_PRIVS as u64, 1, 0, 0, 0, 0],
        );
    }
    let mode = cell.mode();
    let data = Data::new(number, process.program_counter(), arguments);
    Some(match mode.judge(&data, number) {
        Action::Allow => return None,
        Action::Unanswered => Outcome::Value(-i64::from(libc::ENOSYS)),
        Action::Fail(errno) => Outcome::Value(-i64::from(errno)),
        Action::Trap(data) => Outcome::Trapped { number, data },
        Action::KillThread if matches!(mode, Mode::Strict) => Outcome::ThreadKilled(libc::SIGKILL),
        Action::KillThread => Outcome::ThreadKilled(libc::SIGSYS),
        Action::KillProcess => Outcome::Killed(libc::SIGSYS),
    })
}

/// `seccomp`
///
/// # Errors
/// EINVAL, EACCES, EFAULT, ENOMEM, EOPNOTSUPP, ESRCH as Linux; EINVAL for a listener.
pub fn seccomp(call: &mut Call<'_>) -> Result<i64, Stop> {
    let flags = u64::from(call.int(1) as u32);
    match call.int(0) as u32 {
        libc::SECCOMP_SET_MODE_STRICT if flags == 0 && call.argument(2) == 0 => strict(call),
        libc::SECCOMP_SET_MODE_FILTER => filter(call, flags, 2),
        libc::SECCOMP_GET_ACTION_AVAIL if flags == 0 => {
            let wanted = call.read_u32(2, call.argument(2))?;
            // There is nobody to notify.
            if action::KNOWN.contains(&wanted) && wanted != libc::SECCOMP_RET_USER_NOTIF {
                Ok(0)
            } else {
                Err(Stop::Errno(libc::EOPNOTSUPP))
            }
        }
        _ => Err(Stop::Errno(libc::EINVAL)),
    }
}

/// `prctl(PR_SET_SECCOMP)`
///
/// # Errors
/// As [`seccomp`].
pub fn by_prctl(call: &mut Call<'_>) -> Result<i64, Stop> {
    match u32::try_from(call.argument(1)) {
        Ok(libc::SECCOMP_MODE_STRICT) => strict(call),
        Ok(libc::SECCOMP_MODE_FILTER) => filter(call, 0, 2),
        _ => Err(Stop::Errno(libc::EINVAL)),
    }
}

fn strict(call: &Call<'_>) -> Result<i64, Stop> {
    let _changing = call.shared();
    let cell = call.process.seccomp();
    if matches!(cell.mode(), Mode::Filtered(_)) {
        return Err(Stop::Errno(libc::EINVAL));
    }
    cell.set(Mode::Strict);
    Ok(0)
}

/// Adds the filter that an argument points to.
fn filter(call: &Call<'_>, flags: u64, argument: usize) -> Result<i64, Stop> {
    const INVALID: Stop = Stop::Errno(libc::EINVAL);
    if flags & !FLAGS != 0 {
        return Err(INVALID);
    }
    let program: [u8; 2 * POINTER] = call.read_array(argument, call.argument(argument))?;
    let length = usize::from(u16::from_le_bytes([program[0], program[1]]));
    if !(1..=LONGEST).contains(&length) {
        return Err(INVALID);
    }
    if !may_confine() {
        return Err(Stop::Errno(libc::EACCES));
    }
    let mut at = [0; 8];
    at.copy_from_slice(&program[POINTER..]);
    let at = u64::from_le_bytes(at);
    if at == 0 {
        return Err(INVALID);
    }
    let mut bytes = vec![0; length * INSTRUCTION];
    call.read(argument, at, &mut bytes)?;
    let filter = Filter::new(&bytes).ok_or(INVALID)?;
    let _changing = call.shared();
    let cell = call.process.seccomp();
    let before = cell.mode();
    let mode = before.and(filter).map_err(Stop::Errno)?;
    if flags & libc::SECCOMP_FILTER_FLAG_TSYNC != 0 {
        let others = call.process.comrades();
        let apart = others
            .iter()
            .find(|(_, cell)| !cell.mode().is_within(&before));
        if let Some((id, _)) = apart {
            if flags & libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH != 0 {
                return Err(Stop::Errno(libc::ESRCH));
            }
            return Ok(i64::from(*id));
        }
        for (_, cell) in &others {
            if gains_none() {
                cell.owe_no_new_privileges();
            }
            cell.set(mode.clone());
        }
    }
    cell.set(mode);
    Ok(0)
}

/// Whether the calling thread gains no privileges by `execve`.
fn gains_none() -> bool {
    host::ask(
        libc::SYS_prctl,
        [libc::PR_GET_NO_NEW_PRIVS as u64, 0, 0, 0, 0, 0],
    ) == 1
}

/// Whether the calling thread may filter what it becomes: it gains nothing by it, or is privileged.
fn may_confine() -> bool {
    if gains_none() {
        return true;
    }
    let mut header = [0x2008_0522u32, 0];
    let mut sets = [0u32; 6];
    let (header, into) = (header.as_mut_ptr() as u64, sets.as_mut_ptr() as u64);
    host::ask(libc::SYS_capget, [header, into, 0, 0, 0, 0]) == 0 && sets[0] & 1 << SYS_ADMIN != 0
}
