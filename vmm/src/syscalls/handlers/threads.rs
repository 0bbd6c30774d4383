//! What a thread tells the kernel about itself.

use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::host;

const ARCH_SET_GS: i32 = 0x1001;
const ARCH_SET_FS: i32 = 0x1002;
const ARCH_GET_FS: i32 = 0x1003;
const ARCH_GET_GS: i32 = 0x1004;
/// `struct robust_list_head`
const ROBUST_HEAD: u64 = 24;

/// `arch_prctl`: the GS base is the guest runtime's.
///
/// # Errors
/// EPERM for an address outside the program's half and for the GS base, EINVAL, EFAULT.
pub fn arch_prctl(call: &mut Call<'_>) -> Result<i64, Stop> {
    let at = call.argument(1);
    match call.int(0) {
        ARCH_SET_FS => {
            if !host::in_user_range(at, 0) {
                return Err(Stop::Errno(libc::EPERM));
            }
            call.process.set_fs_base(at);
            Ok(0)
        }
        ARCH_GET_FS => {
            let base = call.process.fs_base();
            call.write(1, at, &base.to_le_bytes())?;
            Ok(0)
        }
        ARCH_SET_GS | ARCH_GET_GS => Err(Stop::Errno(libc::EPERM)),
        _ => Err(Stop::Errno(libc::EINVAL)),
    }
}

/// `set_tid_address`
///
/// # Errors
/// None.
pub fn set_tid_address(call: &mut Call<'_>) -> Result<i64, Stop> {
    let at = call.argument(0);
    call.state().tid_address = at;
    Ok(host::ask(libc::SYS_gettid, [0; 6]))
}

/// `set_robust_list`
///
/// # Errors
/// EINVAL for a wrong length.
pub fn set_robust_list(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [head, length, ..] = call.arguments;
    if length != ROBUST_HEAD {
        return Err(Stop::Errno(libc::EINVAL));
    }
    call.state().robust_list = (head, length);
    Ok(0)
}

/// `get_robust_list`
///
/// # Errors
/// ESRCH for another thread, EFAULT, a report of a freed pointer.
pub fn get_robust_list(call: &mut Call<'_>) -> Result<i64, Stop> {
    let thread = i64::from(call.int(0));
    if thread != 0 && thread != host::ask(libc::SYS_gettid, [0; 6]) {
        return Err(Stop::Errno(libc::ESRCH));
    }
    let (head, _) = call.state().robust_list;
    call.write(2, call.argument(2), &ROBUST_HEAD.to_le_bytes())?;
    call.write(1, call.argument(1), &head.to_le_bytes())?;
    Ok(0)
}
