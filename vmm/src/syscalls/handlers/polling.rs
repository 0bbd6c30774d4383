//! `poll` and `ppoll`, in which the VMM's own descriptors are not open.

use crate::memory::user::Fault;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::bounce::Bounce;
use crate::syscalls::engine::{forward_with, host};

/// `struct pollfd`
const ITEM: usize = 8;
/// More than any table of descriptors holds.
const MOST: u64 = 1 << 20;

/// `poll`, `ppoll`
///
/// # Errors
/// EINVAL for more items than descriptors, EFAULT, a report of a freed pointer.
pub fn poll(call: &mut Call<'_>) -> Result<i64, Stop> {
    let (at, count) = (call.argument(0), u64::from(call.argument(1) as u32));
    if count > MOST {
        return forward_with(call, &[(0, host::fence())]);
    }
    if count == 0 {
        return forward_with(call, &[(0, host::absent(at, 0))]);
    }
    let mut copy = Bounce::new(at, count * ITEM as u64);
    match copy.gather(call.memory()) {
        Ok(()) => {}
        // The kernel looks at time and mask first.
        Err(Fault::Unmapped(_)) => return forward_with(call, &[(0, host::fence())]),
        Err(fault) => return Err(Call::stop(0, fault)),
    }
    let hidden = hide(call, copy.bytes());
    let pointer = copy.pointer() as u64;
    let value = if hidden.is_empty() {
        forward_with(call, &[(0, pointer)])?
    } else {
        // Something is ready already: look at the rest without waiting.
        host::commit(libc::SYS_poll, [pointer, count, 0, 0, 0, 0])
    };
    if value < 0 {
        return Ok(value);
    }
    for (place, descriptor) in &hidden {
        if let Some(item) = copy.bytes().get_mut(place * ITEM..(place + 1) * ITEM) {
            item[..4].copy_from_slice(&descriptor.to_le_bytes());
            item[6..].copy_from_slice(&libc::POLLNVAL.to_le_bytes());
        }
    }
    let length = copy.length();
    copy.scatter(call.memory(), length)
        .map_err(|fault| Call::stop(0, fault))?;
    Ok(value + hidden.len() as i64)
}

/// Takes the VMM's descriptors out of the list: their places and numbers.
fn hide(call: &Call<'_>, items: &mut [u8]) -> Vec<(usize, i32)> {
    let mut hidden = Vec::new();
    for (place, item) in items.chunks_exact_mut(ITEM).enumerate() {
        let number = item[..4].try_into().map_or(-1, i32::from_le_bytes);
        if number >= 0 && call.process.is_hidden(number) {
            hidden.push((place, number));
            item[..4].copy_from_slice(&(-1i32).to_le_bytes());
        }
    }
    hidden
}
