//! `sigaltstack`

use crate::syscalls::call::{Call, Stop};
use crate::syscalls::state::{AlternateStack, AUTODISARM};

/// The least size of a stack.
const LEAST: u64 = 2048;

/// `sigaltstack`
///
/// # Errors
/// EINVAL, EPERM for the one in use, ENOMEM for too small a stack, EFAULT, a report of a freed pointer.
pub fn alternate(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [new_at, old_at, ..] = call.arguments;
    let old = call.state().stack;
    let in_use = old.is_in_use(call.process.stack_pointer());
    if new_at != 0 {
        let base = call.read_u64(0, new_at)?;
        let flags = call.read_u32(0, new_at.wrapping_add(8))? as i32;
        let size = call.read_u64(0, new_at.wrapping_add(16))?;
        let stack = match flags & !AUTODISARM {
            libc::SS_DISABLE => AlternateStack {
                base: 0,
                flags,
                size: 0,
            },
            0 | libc::SS_ONSTACK
                if (base, size, flags) == (old.base, old.size, old.flags & !libc::SS_DISABLE) =>
            {
                old
            }
            0 | libc::SS_ONSTACK if size < LEAST => return Err(Stop::Errno(libc::ENOMEM)),
            0 | libc::SS_ONSTACK => AlternateStack {
                base,
                flags: flags & AUTODISARM,
                size,
            },
            _ => return Err(Stop::Errno(libc::EINVAL)),
        };
        if in_use {
            return Err(Stop::Errno(libc::EPERM));
        }
        call.state().stack = stack;
    }
    if old_at != 0 {
        let mut bytes = [0u8; 24];
        bytes[..8].copy_from_slice(&old.base.to_le_bytes());
        let flags = old.flags | if in_use { libc::SS_ONSTACK } else { 0 };
        bytes[8..12].copy_from_slice(&flags.to_le_bytes());
        bytes[16..].copy_from_slice(&old.size.to_le_bytes());
        call.write(1, old_at, &bytes)?;
    }
    Ok(0)
}
