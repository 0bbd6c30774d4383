//! `prctl`, option by option.

use super::confining;
use super::word::{with_word, Word};
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::host;
use dangless_core::address::GuestVirtual;

/// Bytes in a thread's name, with its terminator.
const NAME: usize = 16;

/// `prctl`
///
/// # Errors
/// EINVAL for options that are not known or would change the VMM.
pub fn prctl(call: &mut Call<'_>) -> Result<i64, Stop> {
    let word = match call.int(0) {
        libc::PR_SET_NAME => return set_name(call),
        libc::PR_GET_TID_ADDRESS => {
            let address = call.state().tid_address;
            call.write(1, call.argument(1), &address.to_le_bytes())?;
            return Ok(0);
        }
        libc::PR_SET_SECCOMP => return confining::by_prctl(call),
        libc::PR_GET_SECCOMP => {
            let mode = call.process.seccomp().mode().number();
            if mode != 0 {
                return Ok(i64::from(mode));
            }
            Word::Value
        }
        libc::PR_GET_NAME => Word::Out(NAME as u16),
        libc::PR_GET_PDEATHSIG | libc::PR_GET_CHILD_SUBREAPER | libc::PR_GET_TSC => Word::Out(4),
        libc::PR_SET_MM => return Err(Stop::Errno(libc::EPERM)),
        libc::PR_SET_PDEATHSIG
        | libc::PR_GET_DUMPABLE
        | libc::PR_SET_DUMPABLE
        | libc::PR_GET_KEEPCAPS
        | libc::PR_SET_KEEPCAPS
        | libc::PR_CAPBSET_READ
        | libc::PR_CAPBSET_DROP
        | libc::PR_GET_SECUREBITS
        | libc::PR_SET_SECUREBITS
        | libc::PR_GET_TIMERSLACK
        | libc::PR_SET_TIMERSLACK
        | libc::PR_SET_CHILD_SUBREAPER
        | libc::PR_GET_NO_NEW_PRIVS
        | libc::PR_SET_NO_NEW_PRIVS
        | libc::PR_GET_THP_DISABLE
        | libc::PR_CAP_AMBIENT
        | libc::PR_SET_PTRACER
        | libc::PR_GET_TIMING
        | libc::PR_SET_TIMING
        | libc::PR_TASK_PERF_EVENTS_DISABLE
        | libc::PR_TASK_PERF_EVENTS_ENABLE => Word::Value,
        _ => return Err(Stop::Errno(libc::EINVAL)),
    };
    with_word(call, 1, word)
}

/// The kernel reads a name up to its end only, which may lie before the end of the memory.
fn set_name(call: &Call<'_>) -> Result<i64, Stop> {
    let at = call.argument(1);
    let text = call
        .memory()
        .read_c_string(GuestVirtual(at), NAME - 1)
        .map_err(|fault| Call::stop(1, fault))?;
    let mut name = [0u8; NAME];
    match text {
        Some(text) => {
            for (to, from) in name.iter_mut().zip(text.as_bytes()) {
                *to = *from;
            }
        }
        None => call.read(1, at, &mut name[..NAME - 1])?,
    }
    let arguments = [libc::PR_SET_NAME as u64, name.as_ptr() as u64, 0, 0, 0, 0];
    Ok(host::commit(call.entry.number, arguments))
}
