//! Sets of processors, of which the kernel reads and writes no more than it has processors for.

use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{checked, forward_with, host};

/// More bytes than the largest set that a kernel can be built for.
const LARGEST: usize = 8192;

/// `sched_setaffinity`
///
/// # Errors
/// As Linux; a report of a freed pointer.
pub fn set(call: &mut Call<'_>) -> Result<i64, Stop> {
    let mut set = [0u8; LARGEST];
    let room = [0, LARGEST as u64, set.as_mut_ptr() as u64, 0, 0, 0];
    let size = checked(host::ask(libc::SYS_sched_getaffinity, room))? as usize;
    let offered = (call.argument(1) as u32 as usize).min(size).min(LARGEST);
    set.fill(0);
    call.read(
        2,
        call.argument(2),
        set.get_mut(..offered).unwrap_or_default(),
    )?;
    forward_with(call, &[(1, offered as u64), (2, set.as_ptr() as u64)])
}

/// `sched_getaffinity`
///
/// # Errors
/// As Linux; a report of a freed pointer.
pub fn get(call: &mut Call<'_>) -> Result<i64, Stop> {
    let mut set = [0u8; LARGEST];
    let value = forward_with(call, &[(2, set.as_mut_ptr() as u64)])?;
    let filled = usize::try_from(value).unwrap_or(0);
    call.write(2, call.argument(2), set.get(..filled).unwrap_or_default())?;
    Ok(value)
}
