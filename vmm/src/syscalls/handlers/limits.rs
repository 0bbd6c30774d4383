//! Resource limits. Those on memory and on descriptors are kept for the program: set on the host
//! they would bind the VMM. Of the one on descriptors the host enforces the soft limit, which the VMM
//! raises for a moment when it needs one itself.

use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{checked, forward, host};

/// `getrlimit`
///
/// # Errors
/// EFAULT, a report of a freed pointer.
pub fn getrlimit(call: &mut Call<'_>) -> Result<i64, Stop> {
    let resource = call.argument(0) as u32;
    let kept = call.shared().limits.get(&resource).copied();
    match kept {
        Some(limit) => {
            write(call, 1, limit)?;
            Ok(0)
        }
        None => forward(call),
    }
}

/// `setrlimit`
///
/// # Errors
/// EINVAL, EPERM, EFAULT, a report of a freed pointer.
pub fn setrlimit(call: &mut Call<'_>) -> Result<i64, Stop> {
    let resource = call.argument(0) as u32;
    if !is_kept(resource) {
        return forward(call);
    }
    let wanted = read(call, 1)?;
    set(call, resource, wanted)
}

/// `prlimit64`
///
/// # Errors
/// EINVAL, EPERM, EFAULT, a report of a freed pointer.
pub fn prlimit(call: &mut Call<'_>) -> Result<i64, Stop> {
    let (process, resource) = (call.int(0), call.argument(1) as u32);
    let own = process == 0 || u32::try_from(process) == Ok(std::process::id());
    if !own || !is_kept(resource) {
        return forward(call);
    }
    let (new_at, old_at) = (call.argument(2), call.argument(3));
    let wanted = if new_at == 0 {
        None
    } else {
        Some(read(call, 2)?)
    };
    let old = current(call, resource)?;
    if let Some(wanted) = wanted {
        set(call, resource, wanted)?;
    }
    if old_at != 0 {
        write(call, 3, old)?;
    }
    Ok(0)
}

/// Whether a limit is the program's alone.
const fn is_kept(resource: u32) -> bool {
    matches!(
        resource,
        libc::RLIMIT_AS
            | libc::RLIMIT_DATA
            | libc::RLIMIT_STACK
            | libc::RLIMIT_RSS
            | libc::RLIMIT_NOFILE
    )
}

fn set(call: &mut Call<'_>, resource: u32, wanted: [u64; 2]) -> Result<i64, Stop> {
    let [soft, hard] = wanted;
    if soft > hard {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let [_, allowed] = current(call, resource)?;
    if hard > allowed && host::ask(libc::SYS_geteuid, [0; 6]) != 0 {
        return Err(Stop::Errno(libc::EPERM));
    }
    if resource == libc::RLIMIT_NOFILE {
        let [_, most] = on_host(resource)?;
        let host = [soft, hard.max(most)];
        let pointer = host.as_ptr() as u64;
        checked(host::ask(
            libc::SYS_setrlimit,
            [u64::from(resource), pointer, 0, 0, 0, 0],
        ))?;
    }
    call.shared().limits.insert(resource, wanted);
    Ok(0)
}

fn current(call: &mut Call<'_>, resource: u32) -> Result<[u64; 2], Stop> {
    let kept = call.shared().limits.get(&resource).copied();
    match kept {
        Some(limit) => Ok(limit),
        None => on_host(resource),
    }
}

fn on_host(resource: u32) -> Result<[u64; 2], Stop> {
    let mut limit = [0u64; 2];
    let pointer = limit.as_mut_ptr() as u64;
    checked(host::ask(
        libc::SYS_getrlimit,
        [u64::from(resource), pointer, 0, 0, 0, 0],
    ))?;
    Ok(limit)
}

fn read(call: &Call<'_>, argument: usize) -> Result<[u64; 2], Stop> {
    let at = call.argument(argument);
    Ok([
        call.read_u64(argument, at)?,
        call.read_u64(argument, at.wrapping_add(8))?,
    ])
}

fn write(call: &Call<'_>, argument: usize, [soft, hard]: [u64; 2]) -> Result<(), Stop> {
    let mut bytes = [0u8; 16];
    bytes[..8].copy_from_slice(&soft.to_le_bytes());
    bytes[8..].copy_from_slice(&hard.to_le_bytes());
    call.write(argument, call.argument(argument), &bytes)
}
