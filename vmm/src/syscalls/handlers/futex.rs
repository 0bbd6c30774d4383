//! `futex`, on the host address of the word: an alias and its twin meet there.

use crate::memory::user::{Access, Fault};
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::host;

/// `futex`
///
/// # Errors
/// As Linux; a report of a freed word or time-out.
pub fn futex(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [at, operation, value, time, second, last] = call.arguments;
    let (waits, has_second) = match operation as i32 & libc::FUTEX_CMD_MASK {
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET | libc::FUTEX_LOCK_PI | FUTEX_LOCK_PI2 => {
            (true, false)
        }
        libc::FUTEX_WAIT_REQUEUE_PI => (true, true),
        libc::FUTEX_REQUEUE
        | libc::FUTEX_CMP_REQUEUE
        | libc::FUTEX_WAKE_OP
        | libc::FUTEX_CMP_REQUEUE_PI => (false, true),
        libc::FUTEX_WAKE
        | libc::FUTEX_WAKE_BITSET
        | libc::FUTEX_UNLOCK_PI
        | libc::FUTEX_TRYLOCK_PI => (false, false),
        _ => return Err(Stop::Errno(libc::ENOSYS)),
    };
    // The kernel may read the time-out only after another thread changed it: give it a copy.
    let timeout = if waits && time != 0 {
        [
            call.read_u64(3, time)?,
            call.read_u64(3, time.wrapping_add(8))?,
        ]
    } else {
        [0; 2]
    };
    let time = if waits && time != 0 {
        timeout.as_ptr() as u64
    } else {
        time
    };
    let first = word(call, 0, at)?;
    let second = if has_second {
        word(call, 4, second)?
    } else {
        0
    };
    Ok(host::commit(
        call.entry.number,
        [first, operation, value, time, second, last],
    ))
}

/// `struct futex_waitv`
const WAITER: usize = 24;
/// Most futexes that a call waits for.
const MOST: u64 = 128;

/// `futex_waitv`
///
/// # Errors
/// As Linux; a report of a freed word, list or time-out.
pub fn waitv(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [at, count, flags, time, clock, _] = call.arguments;
    let count = u64::from(count as u32);
    // What cannot be used is the kernel's to refuse, in its order.
    let refused = |stop| match stop {
        Stop::Errno(_) => Ok(host::fence()),
        stop => Err(stop),
    };
    let mut list = vec![0u8; count.min(MOST) as usize * WAITER];
    let list_at = match call.read(0, at, &mut list) {
        Ok(()) => list.as_ptr() as u64,
        Err(_) if at == 0 => 0,
        Err(stop) => refused(stop)?,
    };
    for waiter in list.chunks_exact_mut(WAITER) {
        let mut address = [0; 8];
        address.copy_from_slice(&waiter[8..16]);
        let address = u64::from_le_bytes(address);
        let address = match word(call, 0, address) {
            Ok(address) => address,
            Err(stop) => refused(stop)? + address % 4,
        };
        waiter[8..16].copy_from_slice(&address.to_le_bytes());
    }
    let mut timeout = [0u8; 16];
    let time = match call.read(3, time, &mut timeout) {
        _ if time == 0 => 0,
        Ok(()) => timeout.as_ptr() as u64,
        Err(stop) => refused(stop)?,
    };
    Ok(host::commit(
        call.entry.number,
        [list_at, count, flags, time, clock, 0],
    ))
}

const FUTEX_LOCK_PI2: i32 = 13;

/// The host address of a futex.
fn word(call: &Call<'_>, argument: usize, at: u64) -> Result<u64, Stop> {
    if at % 4 != 0 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let found = match host::slices(call.memory(), at, 4, Access::Write) {
        // A word that is not writable may still be waited on.
        Err(Fault::Unmapped(_)) => host::slices(call.memory(), at, 4, Access::Read),
        other => other,
    };
    match found
        .map_err(|fault| Call::stop(argument, fault))?
        .as_slice()
    {
        [slice] => Ok(slice.pointer as u64),
        _ => Err(Stop::Errno(libc::EFAULT)),
    }
}
