//! File handles: a structure that says its own length.

use super::paths;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{forward_with, host};

/// Bytes before the handle itself: its length and its type.
const HEADER: usize = 8;
/// The longest handle.
const LONGEST: u32 = 128;

/// `name_to_handle_at`
///
/// # Errors
/// EINVAL for a length over the kernel's limit, EFAULT, a report of a freed pointer.
pub fn name_to_handle(call: &mut Call<'_>) -> Result<i64, Stop> {
    let at = call.argument(2);
    let offered = match call.read_array::<HEADER>(2, at) {
        Ok([a, b, c, d, ..]) => u32::from_le_bytes([a, b, c, d]),
        // The kernel looks at the path first.
        Err(Stop::Errno(_)) => return forward_with(call, &[(2, host::fence())]),
        Err(stop) => return Err(stop),
    };
    if offered > LONGEST {
        let refused = offered.to_le_bytes();
        let header = [refused, [0; 4]].concat();
        return forward_with(call, &[(2, header.as_ptr() as u64)]);
    }
    call.check_live(2, at, HEADER as u64 + u64::from(offered))?;
    let mut handle = [0u8; HEADER + LONGEST as usize];
    handle[..4].copy_from_slice(&offered.to_le_bytes());
    let value = forward_with(call, &[(2, handle.as_mut_ptr() as u64)])?;
    let filled = match value {
        0 => HEADER + offered as usize,
        // The length that would have done is told.
        _ if value == -i64::from(libc::EOVERFLOW) => HEADER,
        _ => return Ok(value),
    };
    call.write(2, at, &handle[..filled])?;
    Ok(value)
}

/// `open_by_handle_at`
///
/// # Errors
/// As [`name_to_handle`]; EACCES as for `open`.
pub fn open_by_handle(call: &mut Call<'_>) -> Result<i64, Stop> {
    let at = call.argument(1);
    let mut handle = [0u8; HEADER + LONGEST as usize];
    let mut pointer = handle.as_mut_ptr() as u64;
    let header = call.read(1, at, &mut handle[..HEADER]);
    let length = u32::from_le_bytes([handle[0], handle[1], handle[2], handle[3]]);
    // A length that cannot be is for the kernel to refuse, and so is what cannot be read.
    let whole = HEADER + length.min(LONGEST) as usize;
    match header.and_then(|()| call.read(1, at, &mut handle[..whole])) {
        Ok(()) => handle[..4].copy_from_slice(&length.to_le_bytes()),
        Err(Stop::Errno(_)) => pointer = host::fence(),
        Err(stop) => return Err(stop),
    }
    let value = forward_with(call, &[(1, pointer)])?;
    paths::admit(call, value)
}
