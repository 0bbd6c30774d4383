//! `kcmp`: whether two processes share something. Only about the process itself: what others share
//! may be a VMM's.

use super::peering::own;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::host;

/// `KCMP_FILE`
const FILE: i32 = 0;
/// `KCMP_EPOLL_TFD`, whose argument is a structure.
const EPOLL: i32 = 7;

/// `kcmp`
///
/// # Errors
/// EPERM for other processes, ESRCH, EBADF, EINVAL.
pub fn kcmp(call: &mut Call<'_>) -> Result<i64, Stop> {
    let threads = call.process.threads();
    for process in [call.int(0), call.int(1)] {
        own(process, &threads)?;
    }
    match call.int(2) {
        FILE => {
            call.descriptor(3)?;
            call.descriptor(4)?;
        }
        EPOLL => return Err(Stop::Errno(libc::EINVAL)),
        _ => {}
    }
    Ok(host::commit(call.entry.number, call.arguments))
}
