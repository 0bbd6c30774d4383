//! Memory policies: on which nodes of the host the guest's memory is to lie.

use crate::memory::user::Access;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{checked, first_error, host};
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
    // As in the kernel, one bit less than the least number is none.
    let most = bytes(count) as u64 > PAGE_SIZE;
    if nodes_at != 0 && most {
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
    let mut nodes = vec![0u8; if most { 0 } else { bytes(count) }];
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
    // All that has nothing to do with the memory is the kernel's to refuse, which a page of nobody's
    // is good enough for.
    let length = length.wrapping_add(PAGE_SIZE - 1) & !(PAGE_SIZE - 1);
    let end = at.wrapping_add(length);
    let nodes = match nodes(call, 3, nodes_at, count) {
        Ok(nodes) => nodes,
        Err(stop) => {
            return Err(first_error(
                call,
                stop,
                [0, 0, mode, host::fence(), count, flags],
            ))
        }
    };
    let probe = host::fence() + at % PAGE_SIZE;
    let probed = if length == 0 { 0 } else { PAGE_SIZE };
    let set = pointer(nodes.as_deref());
    checked(host::commit(
        call.entry.number,
        [probe, probed, mode, set, count, flags],
    ))?;
    if end == at {
        return Ok(0);
    }
    if end < at {
        return Err(Stop::Errno(libc::EINVAL));
    }
    // The default is put over holes too, if there is anything between them.
    let whole = mode as i32 != libc::MPOL_DEFAULT;
    let mappings = if whole {
        Vec::new()
    } else {
        call.process.picture().mappings
    };
    let touched = mappings
        .iter()
        .any(|mapping| mapping.range.start < end && at < mapping.range.end);
    if !touched && !call.process.is_mapped(at, end - at) {
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
    (count.wrapping_sub(1).wrapping_add(63) / 64 * 8) as usize
}

fn pointer(nodes: Option<&[u8]>) -> u64 {
    nodes.map_or(0, |nodes| nodes.as_ptr() as u64)
}

/// A set of nodes of the program's.
fn nodes(call: &Call<'_>, argument: usize, at: u64, count: u64) -> Result<Option<Vec<u8>>, Stop> {
    if at == 0 || count == 1 {
        return Ok(None);
    }
    if count.wrapping_sub(1) > MOST_NODES {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let mut nodes = vec![0; bytes(count)];
    call.read(argument, at, &mut nodes)?;
    Ok(Some(nodes))
}
