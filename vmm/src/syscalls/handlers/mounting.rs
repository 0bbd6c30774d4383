//! `mount`, whose data is as long as it is readable, up to a page.

use crate::memory::user::{Access, Fault};
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{forward_with, host};
use dangless_core::address::PAGE_SIZE;

/// `mount`
///
/// # Errors
/// EFAULT, a report of a freed pointer.
pub fn mount(call: &mut Call<'_>) -> Result<i64, Stop> {
    let at = call.argument(4);
    if at == 0 {
        return forward_with(call, &[(4, 0)]);
    }
    let length = match host::slices(call.memory(), at, PAGE_SIZE, Access::Read) {
        Ok(_) => PAGE_SIZE,
        Err(Fault::Unmapped(hole)) => hole.0.saturating_sub(at).min(PAGE_SIZE),
        Err(fault) => return Err(Call::stop(4, fault)),
    };
    if length == 0 {
        return Err(Stop::Errno(libc::EFAULT));
    }
    let mut data = vec![0; PAGE_SIZE as usize];
    let readable = data.get_mut(..length as usize).unwrap_or_default();
    call.read(4, at, readable)?;
    forward_with(call, &[(4, data.as_ptr() as u64)])
}
