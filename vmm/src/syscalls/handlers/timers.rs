//! Interval timers. Their signals would reach the VMM, so none can be armed; asking for one that
//! is not armed, and disarming it, are answered.

use crate::syscalls::call::{Call, Stop};

/// `struct itimerval`
const VALUE: usize = 32;

/// `alarm`
///
/// # Errors
/// ENOSYS for a time other than 0.
pub fn alarm(call: &mut Call<'_>) -> Result<i64, Stop> {
    if call.argument(0) as u32 != 0 {
        return Err(Stop::Errno(libc::ENOSYS));
    }
    Ok(0)
}

/// `getitimer`
///
/// # Errors
/// EINVAL, EFAULT, a report of a freed pointer.
pub fn getitimer(call: &mut Call<'_>) -> Result<i64, Stop> {
    check(call)?;
    call.write(1, call.argument(1), &[0; VALUE])?;
    Ok(0)
}

/// `setitimer`
///
/// # Errors
/// ENOSYS for a time other than 0; EINVAL, EFAULT, a report of a freed pointer.
pub fn setitimer(call: &mut Call<'_>) -> Result<i64, Stop> {
    check(call)?;
    if call.argument(1) != 0 {
        let value: [u8; VALUE] = call.read_array(1, call.argument(1))?;
        // The timer runs if its second half, the time to the first signal, is not zero.
        if value.iter().skip(VALUE / 2).any(|byte| *byte != 0) {
            return Err(Stop::Errno(libc::ENOSYS));
        }
    }
    if call.argument(2) != 0 {
        call.write(2, call.argument(2), &[0; VALUE])?;
    }
    Ok(0)
}

fn check(call: &Call<'_>) -> Result<(), Stop> {
    if (0..=2).contains(&call.int(0)) {
        return Ok(());
    }
    Err(Stop::Errno(libc::EINVAL))
}
