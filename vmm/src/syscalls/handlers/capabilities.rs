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
    if sets && data_at != 0 {
        call.read(1, data_at, &mut data[..length])?;
    }
    let data_pointer = if data_at == 0 {
        0
    } else {
        data.as_mut_ptr() as u64
    };
    let pointer = header.as_mut_ptr() as u64;
    let value = host::commit(call.entry.number, [pointer, data_pointer, 0, 0, 0, 0]);
    // The kernel answers an unknown version with the one it prefers.
    call.write(0, header_at, &header)?;
    if value == 0 && !sets && data_at != 0 {
        call.write(1, data_at, &data[..length])?;
    }
    Ok(value)
}
