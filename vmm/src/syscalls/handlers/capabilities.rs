//! `capget` and `capset`: how long the data are depends on the version in the header.

use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::host;

const FIRST_VERSION: u32 = 0x1998_0330;

/// `capget`, `capset`
///
/// # Errors
/// EFAULT, a report of a freed pointer.
pub fn capability(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [header_at, data_at, ..] = call.arguments;
    let mut header: [u8; 8] = call.read_array(0, header_at)?;
    let version = u32::from_le_bytes(header[..4].try_into().unwrap_or_default());
    let length = if version == FIRST_VERSION { 12 } else { 24 };
    let mut data = [0u8; 24];
    let sets = call.entry.number == libc::SYS_capset;
    let read = if sets {
        call.read(1, data_at, &mut data[..length])
    } else {
        Ok(())
    };
    let data_pointer = match read {
        _ if data_at == 0 => 0,
        Ok(()) => data.as_mut_ptr() as u64,
        // The kernel looks at the version first.
        Err(Stop::Errno(_)) => host::fence(),
        Err(stop) => return Err(stop),
    };
    let pointer = header.as_mut_ptr() as u64;
    let value = host::commit(call.entry.number, [pointer, data_pointer, 0, 0, 0, 0]);
    // The kernel answers an unknown version with the one it prefers.
    if header[..4] != version.to_le_bytes() {
        call.write(0, header_at, &header[..4])?;
    }
    if value == 0 && !sets && data_at != 0 {
        call.write(1, data_at, &data[..length])?;
    }
    Ok(value)
}
