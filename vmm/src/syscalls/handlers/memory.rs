//! The address space: everything through the process, which holds the program's mappings.

use super::locking;
use crate::memory::user::Access;
use crate::process::{Errno, MapRequest};
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::host;
use dangless_core::address::{GuestVirtual, PAGE_SIZE};

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno.0)
    }
}

/// `mmap`
///
/// # Errors
/// As Linux.
pub fn mmap(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [at, length, protection, flags, _, offset] = call.arguments;
    if offset % PAGE_SIZE != 0 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let flags = flags as i32;
    let descriptor = if flags & libc::MAP_ANONYMOUS == 0 {
        call.descriptor(4)?
    } else {
        call.int(4)
    };
    let request = MapRequest {
        at,
        length,
        protection: protection as i32,
        flags,
        descriptor,
        offset,
    };
    locking::may_lock(flags)?;
    let start = call.process.map(request)?;
    if let Err(stop) = locking::lock_new(call, start, length, flags) {
        call.process.unmap(start, length)?;
        return Err(stop);
    }
    Ok(start as i64)
}

/// `munmap`
///
/// # Errors
/// As Linux.
pub fn munmap(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [at, length, ..] = call.arguments;
    call.process.unmap(at, length)?;
    Ok(0)
}

/// `mprotect`
///
/// # Errors
/// As Linux.
pub fn mprotect(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [at, length, protection, ..] = call.arguments;
    call.process.protect(at, length, protection as i32)?;
    Ok(0)
}

/// `mremap`
///
/// # Errors
/// As Linux.
pub fn mremap(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [at, old_length, new_length, flags, new_at, _] = call.arguments;
    let start = call
        .process
        .remap(at, old_length, new_length, flags as i32, new_at)?;
    if new_length > old_length {
        // The mapping stands: it is only not held in memory where the limit forbids that.
        let _ = locking::lock_new(call, start, new_length, 0);
    }
    Ok(start as i64)
}

/// `brk`
///
/// # Errors
/// None: the break that stands is the answer.
pub fn brk(call: &mut Call<'_>) -> Result<i64, Stop> {
    let at = call.argument(0);
    let old = call.process.set_break(0);
    let new = call.process.set_break(at);
    if new > old && locking::lock_new(call, old, new - old, 0).is_err() {
        return Ok(call.process.set_break(old) as i64);
    }
    Ok(new as i64)
}

/// `madvise`
///
/// # Errors
/// As Linux.
pub fn madvise(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [at, length, ..] = call.arguments;
    let advice = call.int(2);
    call.process.advise(at, length, advice)?;
    Ok(0)
}

/// `mincore`: residence is that of the host pages.
///
/// # Errors
/// EINVAL, ENOMEM, EFAULT.
pub fn mincore(call: &mut Call<'_>) -> Result<i64, Stop> {
    let (at, length) = range(call)?;
    let vector = call.argument(2);
    if !host::in_user_range(vector, length / PAGE_SIZE) {
        return Err(Stop::Errno(libc::EFAULT));
    }
    if length == 0 {
        return Ok(0);
    }
    for page in 0..length / PAGE_SIZE {
        let here = at + page * PAGE_SIZE;
        if !call.process.is_mapped(here, PAGE_SIZE) {
            return Err(Stop::Errno(libc::ENOMEM));
        }
        call.write(
            2,
            vector.wrapping_add(page),
            &[u8::from(is_resident(call, here))],
        )?;
    }
    Ok(0)
}

fn is_resident(call: &Call<'_>, page: u64) -> bool {
    let Ok(slices) = host::slices(call.memory(), page, PAGE_SIZE, Access::Read) else {
        return false;
    };
    slices.iter().all(|slice| {
        let mut resident = [0u8; 2];
        let start = GuestVirtual(slice.pointer as u64).align_down(PAGE_SIZE).0;
        let pointer = resident.as_mut_ptr() as u64;
        let range = [start, slice.length as u64, pointer, 0, 0, 0];
        host::ask(libc::SYS_mincore, range) == 0 && resident[0] & 1 == 1
    })
}

/// `msync`
///
/// # Errors
/// EINVAL, ENOMEM, what the host says.
pub fn msync(call: &mut Call<'_>) -> Result<i64, Stop> {
    let flags = call.int(2);
    let known = libc::MS_ASYNC | libc::MS_INVALIDATE | libc::MS_SYNC;
    let both = libc::MS_ASYNC | libc::MS_SYNC;
    if flags & !known != 0 || flags & both == both {
        return Err(Stop::Errno(libc::EINVAL));
    }
    on_host_pages(call)
}

/// Makes the call for the host pages behind the range.
pub(super) fn on_host_pages(call: &Call<'_>) -> Result<i64, Stop> {
    let is_msync = call.entry.number == libc::SYS_msync;
    if is_msync && call.argument(0) % PAGE_SIZE != 0 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let (at, length) = range(call)?;
    if length == 0 {
        return Ok(0);
    }
    if !call.process.is_mapped(at, length) {
        return Err(Stop::Errno(libc::ENOMEM));
    }
    // Pages that the program cannot read have nothing to write out or to hold in memory.
    let Ok(slices) = host::slices(call.memory(), at, length, Access::Read) else {
        return Ok(0);
    };
    for slice in slices {
        let start = GuestVirtual(slice.pointer as u64).align_down(PAGE_SIZE).0;
        let bytes = slice.pointer as u64 - start + slice.length as u64;
        let value = host::commit(call.entry.number, [start, bytes, call.argument(2), 0, 0, 0]);
        if value < 0 {
            return Ok(value);
        }
    }
    Ok(0)
}

/// The range of whole pages of a call: EINVAL where `mincore` and `msync` want alignment, ENOMEM
/// past the end of the program's half. As in the kernel a length that is about all there is comes
/// to nothing, and locks that end before they start are EINVAL.
fn range(call: &Call<'_>) -> Result<(u64, u64), Stop> {
    let [at, length, ..] = call.arguments;
    let number = call.entry.number;
    if number == libc::SYS_mincore {
        if at % PAGE_SIZE != 0 {
            return Err(Stop::Errno(libc::EINVAL));
        }
        if !host::in_user_range(at, length) {
            return Err(Stop::Errno(libc::ENOMEM));
        }
    }
    let start = GuestVirtual(at).align_down(PAGE_SIZE).0;
    let length = length.wrapping_add(at - start).wrapping_add(PAGE_SIZE - 1) & !(PAGE_SIZE - 1);
    match start.checked_add(length) {
        _ if length == 0 => Ok((start, 0)),
        Some(end) if host::in_user_range(end, 0) => Ok((start, length)),
        None if number == libc::SYS_munlock => Err(Stop::Errno(libc::EINVAL)),
        // The limit is looked at first.
        None if number != libc::SYS_msync => match locking::limit()? {
            Some(most) if length > most => Err(Stop::Errno(libc::ENOMEM)),
            _ => Err(Stop::Errno(libc::EINVAL)),
        },
        _ => Err(Stop::Errno(libc::ENOMEM)),
    }
}
