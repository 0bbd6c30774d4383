//! Serving a call by the host kernel: stage, commit, collect.
//!
//! *Stage* turns every pointer of the program into one that the host kernel may use: the program's
//! own memory where it is contiguous on the host, a copy where it is not, and an address that
//! faults where the program has nothing mapped, so that the kernel itself decides when that is
//! EFAULT. *Commit* makes the call. *Collect* writes copies back, as far as the kernel filled them.
//!
//! | room | holds |
//! | --- | --- |
//! | [`host`] | the call itself, the faulting address, contiguous memory |
//! | [`bounce`] | a copy of program memory |
//! | [`staging`] | the arguments of one call |
//! | [`gather`] | buffers for vectored calls |
//! | [`names`] | paths that lead to the process itself |
//! | [`reach`] | the VMM's threads, which do not exist |

pub mod bounce;
pub mod gather;
pub mod host;
pub mod names;
pub mod reach;
pub mod staging;

use crate::syscalls::call::{Call, Stop};
use staging::Staging;

/// Serves a call by the host kernel.
///
/// # Errors
/// A report of a freed pointer; errors found before the kernel was asked.
pub fn forward(call: &mut Call<'_>) -> Result<i64, Stop> {
    forward_with(call, &[])
}

/// Serves a call by the host kernel, with some arguments already in the host's terms.
///
/// # Errors
/// As [`forward`].
pub fn forward_with(call: &mut Call<'_>, given: &[(usize, u64)]) -> Result<i64, Stop> {
    let mut staging = Staging::default();
    let host = staging.stage(call, given)?;
    let value = match staging.waits_with() {
        Some(mask) => host::commit_masked(call.entry.number, host, mask),
        None => host::commit(call.entry.number, host),
    };
    staging.collect(call, value)
}

/// The stop of a call of which something cannot be used, unless the kernel says something else first
/// of the same call with `arguments`, with which it must not come to do anything.
#[must_use]
pub fn first_error(call: &Call<'_>, stop: Stop, arguments: [u64; 6]) -> Stop {
    match (&stop, host::ask(call.entry.number, arguments)) {
        (Stop::Errno(_), value) if value < 0 => Stop::Errno(-value as i32),
        _ => stop,
    }
}

/// The result of a call as a value or the error that it returned.
///
/// # Errors
/// The error.
pub fn checked(value: i64) -> Result<i64, Stop> {
    if (-4095..0).contains(&value) {
        return Err(Stop::Errno(-value as i32));
    }
    Ok(value)
}
