//! `getrandom`

use crate::memory::user::Access;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::gather::{Gather, Segment};
use crate::syscalls::engine::host;

/// `getrandom`: element by element, for there is no vectored call.
///
/// # Errors
/// A report of a freed buffer.
pub fn getrandom(call: &mut Call<'_>) -> Result<i64, Stop> {
    let whole = Segment {
        at: call.argument(0),
        length: call.argument(1).min(host::MOST_MOVED),
    };
    let mut gather = Gather::new(call.memory(), &[whole], 0, Access::Write)
        .map_err(|fault| Call::stop(0, fault))?;
    let mut done = 0;
    for element in gather.elements() {
        let arguments = [
            element.iov_base as u64,
            element.iov_len as u64,
            call.argument(2),
            0,
            0,
            0,
        ];
        let value = host::commit(call.entry.number, arguments);
        if value < 0 {
            if done == 0 {
                return Ok(value);
            }
            break;
        }
        done += value;
        if (value as usize) < element.iov_len {
            break;
        }
    }
    gather
        .scatter(call.memory(), done as u64)
        .map_err(|fault| Call::stop(0, fault))?;
    Ok(done)
}
