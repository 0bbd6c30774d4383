//! Holding memory in memory: `mlock` and its family, on the host pages behind the program's.
//!
//! What the kernel refuses by its books of the whole process is decided here, by the program's
//! mappings; the limit on locked memory is the host's. Objects of the protected heap are locked by
//! `mlock`, not by `mlockall`.

use super::memory::on_host_pages;
use crate::memory::user::Access;
use crate::process::picture::Behind;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{checked, host};
use dangless_core::address::{GuestVirtual, PAGE_SIZE};

/// `_LINUX_CAPABILITY_VERSION_3`
const VERSION: u32 = 0x2008_0522;
const CAP_IPC_LOCK: u32 = 14;

/// `mlock`, `mlock2`, `munlock`
///
/// # Errors
/// EINVAL, ENOMEM, what the host says.
pub fn mlock(call: &mut Call<'_>) -> Result<i64, Stop> {
    on_host_pages(call)
}

/// `mlockall`
///
/// # Errors
/// EINVAL, EPERM, ENOMEM.
pub fn lock_all(call: &mut Call<'_>) -> Result<i64, Stop> {
    let flags = call.int(0);
    let known = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;
    if flags == 0 || flags & !known != 0 || flags == libc::MCL_ONFAULT {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let limit = limit()?;
    let mappings = call.process.picture().mappings;
    let all: u64 = mappings
        .iter()
        .map(|mapping| mapping.range.end - mapping.range.start)
        .sum();
    if flags & libc::MCL_CURRENT != 0 && limit.is_some_and(|limit| all > limit) {
        return Err(Stop::Errno(libc::ENOMEM));
    }
    call.shared().lock_future = if flags & libc::MCL_FUTURE == 0 {
        0
    } else {
        flags
    };
    if flags & libc::MCL_CURRENT != 0 {
        let usable = mappings
            .iter()
            .filter(|mapping| mapping.protection != 0 && mapping.behind != Behind::Clock);
        for &(start, length) in usable.flat_map(|mapping| &mapping.pieces) {
            // As in the kernel, what cannot be locked stays as it is.
            let _ = lock(start, length, flags & libc::MCL_ONFAULT != 0);
        }
    }
    Ok(0)
}

/// `munlockall`
///
/// # Errors
/// None.
pub fn unlock_all(call: &mut Call<'_>) -> Result<i64, Stop> {
    call.shared().lock_future = 0;
    Ok(host::commit(libc::SYS_munlockall, [0; 6]))
}

/// Whether a mapping with these `MAP_*` flags may be locked at all.
///
/// # Errors
/// EPERM.
pub fn may_lock(flags: i32) -> Result<(), Stop> {
    if flags & libc::MAP_LOCKED != 0 {
        limit()?;
    }
    Ok(())
}

/// Locks a new mapping, if its `MAP_*` flags or an earlier `mlockall` say so.
///
/// # Errors
/// EAGAIN when the limit is reached.
pub fn lock_new(call: &Call<'_>, at: u64, length: u64, flags: i32) -> Result<(), Stop> {
    let future = call.shared().lock_future;
    if flags & libc::MAP_LOCKED == 0 && future == 0 {
        return Ok(());
    }
    let Some(end) = at
        .saturating_add(length)
        .checked_next_multiple_of(PAGE_SIZE)
    else {
        return Ok(());
    };
    // Memory without rights is locked once it has some, which is not followed.
    let Ok(slices) = host::slices(call.memory(), at, end.saturating_sub(at), Access::Read) else {
        return Ok(());
    };
    for slice in slices {
        let start = GuestVirtual(slice.pointer as u64).align_down(PAGE_SIZE).0;
        let bytes = slice.pointer as u64 - start + slice.length as u64;
        let locked = lock(start, bytes, future & libc::MCL_ONFAULT != 0);
        // Where there is no limit it failed for a page past the end of a file, which the kernel
        // leaves out.
        if locked.is_err() && limit() != Ok(None) {
            return Err(Stop::Errno(libc::EAGAIN));
        }
    }
    Ok(())
}

fn lock(start: u64, length: u64, on_fault: bool) -> Result<i64, Stop> {
    let flags = u64::from(on_fault);
    checked(host::ask(libc::SYS_mlock2, [start, length, flags, 0, 0, 0]))
}

/// The most bytes that the program may lock; `None` if there is no limit for it.
///
/// # Errors
/// EPERM if it may lock nothing.
pub(super) fn limit() -> Result<Option<u64>, Stop> {
    if is_privileged() {
        return Ok(None);
    }
    let mut limit = [0u64; 2];
    let resource = u64::from(libc::RLIMIT_MEMLOCK);
    let pointer = limit.as_mut_ptr() as u64;
    checked(host::ask(
        libc::SYS_getrlimit,
        [resource, pointer, 0, 0, 0, 0],
    ))?;
    match limit[0] {
        0 => Err(Stop::Errno(libc::EPERM)),
        libc::RLIM_INFINITY => Ok(None),
        most => Ok(Some(most)),
    }
}

/// Whether the thread has `CAP_IPC_LOCK`.
fn is_privileged() -> bool {
    let mut header = [VERSION, 0];
    let mut data = [0u32; 6];
    let pointers = [header.as_mut_ptr() as u64, data.as_mut_ptr() as u64];
    let [header, sets] = pointers;
    let value = host::ask(libc::SYS_capget, [header, sets, 0, 0, 0, 0]);
    value == 0 && data[0] >> CAP_IPC_LOCK & 1 == 1
}
