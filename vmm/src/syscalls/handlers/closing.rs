//! `close_range`, which must pass over the VMM's own descriptors.

use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::host;

/// `close_range`
///
/// # Errors
/// As Linux, from the first piece that fails.
pub fn close_range(call: &mut Call<'_>) -> Result<i64, Stop> {
    let (first, last) = (call.argument(0) as u32, call.argument(1) as u32);
    if first > last {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let mut start = first;
    for number in first..=last.min(highest()) {
        if !call.process.is_hidden(number as i32) {
            continue;
        }
        if start < number {
            let value = close(call, start, number - 1);
            if value < 0 {
                return Ok(value);
            }
        }
        start = number + 1;
    }
    if start > last {
        return Ok(0);
    }
    Ok(close(call, start, last))
}

fn close(call: &Call<'_>, first: u32, last: u32) -> i64 {
    let range = [u64::from(first), u64::from(last), call.argument(2), 0, 0, 0];
    host::commit(call.entry.number, range)
}

/// The highest number that a descriptor of this process can have.
fn highest() -> u32 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel writes one `rlimit` into `limit`.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    if result != 0 {
        return 1 << 20;
    }
    u32::try_from(limit.rlim_max)
        .unwrap_or(1 << 20)
        .min(1 << 20)
}
