//! Memory policies: on which nodes of the host the guest's memory is to lie.

use crate::memory::user::Access;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{checked, host};
use dangless_core::address::{GuestVirtual, PAGE_SIZE};

/// Most bits of a set of nodes, as the kernel has it.
const MOST_NODES: u64 = PAGE_SIZE * 8;
/// `MPOL_F_ADDR`
const BY_ADDRESS: u64 = 2;

/// `set_mempolicy`
///
/// # Errors
/// As Linux; a report of a freed pointer.
pub fn set(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [mode, at, count, ..] = call.arguments;
    let nodes = nodes(call, 1, at, count)?;
    Ok(host::commit(
        call.entry.number,
        [mode, pointer(nodes.as_deref()), count, 0, 0, 0],
    ))
}

/// `get_mempolicy`
///
/// # Errors
/// As Linux; a report of a freed pointer.
pub fn get(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [policy_at, nodes_at, count, at, flags, _] = call.arguments;
    if nodes_at != 0 && count > MOST_NODES {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let address = if flags & BY_ADDRESS == 0 {
        at
    } else {
        let slices = host::slices(call.memory(), at, 1, Access::Read);
        let slices = slices.map_err(|fault| Call::stop(3, fault))?;
        slices.first().map_or(0, |slice| slice.pointer as u64)
    };
    let mut policy = 0i32;
    let mut nodes = vec![0u8; bytes(count.min(MOST_NODES))];
    let value = checked(host::commit(
        call.entry.number,
        [
            if policy_at == 0 {
                0
            } else {
                std::ptr::from_mut(&mut policy) as u64
            },
            if nodes_at == 0 {
                0
            } else {
                nodes.as_mut_ptr() as u64
            },
            count,
            address,
            flags,
            0,
        ],
    ))?;
    if policy_at != 0 {
        call.write(0, policy_at, &policy.to_le_bytes())?;
    }
    if nodes_at != 0 {
        call.write(1, nodes_at, &nodes)?;
    }
    Ok(value)
}

/// `mbind`, on the host pages behind the range.
///
/// # Errors
/// As Linux; EFAULT where nothing is mapped; a report of a freed pointer.
pub fn bind(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [at, length, mode, nodes_at, count, flags] = call.arguments;
    let end = at
        .checked_add(length)
        .and_then(|end| end.checked_next_multiple_of(PAGE_SIZE))
        .filter(|_| at % PAGE_SIZE == 0)
        .ok_or(Stop::Errno(libc::EINVAL))?;
    let nodes = nodes(call, 3, nodes_at, count)?;
    if end == at {
        return Ok(0);
    }
    if !call.process.is_mapped(at, end - at) {
        return Err(Stop::Errno(libc::EFAULT));
    }
    // Pages that the program cannot read have no place yet.
    let slices = host::slices(call.memory(), at, end - at, Access::Read).unwrap_or_default();
    for slice in slices {
        let start = GuestVirtual(slice.pointer as u64).align_down(PAGE_SIZE).0;
        let bytes = slice.pointer as u64 - start + slice.length as u64;
        let arguments = [start, bytes, mode, pointer(nodes.as_deref()), count, flags];
        let value = host::commit(call.entry.number, arguments);
        if value != 0 {
            return Ok(value);
        }
    }
    Ok(0)
}

/// Bytes of a set of so many nodes, less one, as the kernel reads and writes it.
fn bytes(count: u64) -> usize {
    (count.saturating_sub(1).div_ceil(64) * 8) as usize
}

fn pointer(nodes: Option<&[u8]>) -> u64 {
    nodes.map_or(0, |nodes| nodes.as_ptr() as u64)
}

/// A set of nodes of the program's.
fn nodes(call: &Call<'_>, argument: usize, at: u64, count: u64) -> Result<Option<Vec<u8>>, Stop> {
    if at == 0 {
        return Ok(None);
    }
    if count > MOST_NODES {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let mut nodes = vec![0; bytes(count)];
    call.read(argument, at, &mut nodes)?;
    Ok(Some(nodes))
}
