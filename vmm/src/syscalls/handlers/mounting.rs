//! Mounting: `mount`, whose data is as long as it is readable, up to a page, and `fsconfig`, whose
//! command says what its value is.

use crate::memory::user::{Access, Fault};
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{forward_with, host};
use dangless_core::address::{GuestVirtual, PAGE_SIZE};

/// `mount`
///
/// # Errors
/// EFAULT, a report of a freed pointer.
pub fn mount(call: &mut Call<'_>) -> Result<i64, Stop> {
    let at = call.argument(4);
    if at == 0 {
        return forward_with(call, &[(4, 0)]);
    }
    let length = match host::slices(call.memory(), at, PAGE_SIZE, Access::Read) {
        Ok(_) => PAGE_SIZE,
        Err(Fault::Unmapped(hole)) => hole.0.saturating_sub(at).min(PAGE_SIZE),
        Err(fault) => return Err(Call::stop(4, fault)),
    };
    if length == 0 {
        return Err(Stop::Errno(libc::EFAULT));
    }
    let mut data = vec![0; PAGE_SIZE as usize];
    let readable = data.get_mut(..length as usize).unwrap_or_default();
    call.read(4, at, readable)?;
    forward_with(call, &[(4, data.as_ptr() as u64)])
}

/// `FSCONFIG_SET_STRING`, `FSCONFIG_SET_BINARY`, `FSCONFIG_SET_PATH`, `FSCONFIG_SET_PATH_EMPTY`
const STRING: u32 = 1;
const BINARY: u32 = 2;
const PATH: u32 = 3;
const PATH_EMPTY: u32 = 4;
/// Most bytes of a binary value, as the kernel has it.
const LARGEST: u64 = 1 << 20;

/// `fsconfig`
///
/// # Errors
/// As Linux; a report of a freed pointer.
pub fn fsconfig(call: &mut Call<'_>) -> Result<i64, Stop> {
    let at = call.argument(3);
    if at == 0 {
        return forward_with(call, &[(3, 0)]);
    }
    match call.argument(1) as u32 {
        STRING | PATH | PATH_EMPTY => {
            let text = call
                .memory()
                .read_c_string(GuestVirtual(at), PAGE_SIZE as usize)
                .map_err(|fault| Call::stop(3, fault))?
                .ok_or(Stop::Errno(libc::EINVAL))?;
            forward_with(call, &[(3, text.as_ptr() as u64)])
        }
        BINARY => {
            let length = u64::try_from(call.int(4)).unwrap_or(0);
            if length > LARGEST {
                return Err(Stop::Errno(libc::EINVAL));
            }
            let mut bytes = vec![0; length as usize];
            call.read(3, at, &mut bytes)?;
            forward_with(call, &[(3, bytes.as_ptr() as u64)])
        }
        // Commands without a value want none, and the kernel says what it thinks of others.
        _ => forward_with(call, &[(3, host::fence())]),
    }
}
