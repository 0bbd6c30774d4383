//! Signals and messages that the host's kernel sends when something happens to a message queue.

use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{forward_with, host};

/// `struct sigevent`
const EVENT: usize = 64;
/// What the C library has sent to its helper thread for `SIGEV_THREAD`.
const COOKIE: usize = 32;

/// `mq_notify`. For `SIGEV_THREAD` the C library passes a socket in place of the signal and has a
/// cookie of its own sent there, which the kernel copies at once.
///
/// # Errors
/// As Linux; EBADF for the VMM's descriptors; a report of a freed pointer; EPERM for signals where
/// the process is not the program's alone.
pub fn queue(call: &mut Call<'_>) -> Result<i64, Stop> {
    call.descriptor(0)?;
    let at = call.argument(1);
    if at == 0 {
        return forward_with(call, &[(1, 0)]);
    }
    if !host::in_user_range(at, EVENT as u64) {
        return Err(Stop::Errno(libc::EFAULT));
    }
    let mut event: [u8; EVENT] = call.read_array(1, at)?;
    let mut cookie = [0; COOKIE];
    match i32::from_le_bytes([event[12], event[13], event[14], event[15]]) {
        libc::SIGEV_SIGNAL if !call.process.owns_process() => {
            return Err(Stop::Errno(libc::EPERM));
        }
        libc::SIGEV_THREAD => {
            call.visible(i32::from_le_bytes([
                event[8], event[9], event[10], event[11],
            ]))?;
            let from = call.read_u64(1, at)?;
            call.read(1, from, &mut cookie)?;
            event[..8].copy_from_slice(&(cookie.as_ptr() as u64).to_le_bytes());
        }
        _ => {}
    }
    forward_with(call, &[(1, event.as_ptr() as u64)])
}
