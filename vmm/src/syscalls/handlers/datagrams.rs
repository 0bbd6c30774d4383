//! `sendto` and `recvfrom`: messages of one buffer.

use super::messages::{broken, check_whole, socket_first};
use crate::memory::user::Access;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::gather::{Gather, Segment};
use crate::syscalls::engine::{forward_with, host};

/// `sendto`
///
/// # Errors
/// As Linux; a report of a freed pointer; the end of the program by `SIGPIPE`.
pub fn sendto(call: &mut Call<'_>) -> Result<i64, Stop> {
    let gather = buffer(call, Access::Read)?;
    let value = match gather.elements() {
        [only] => {
            let pointer = only.iov_base as u64;
            forward_with(call, &[(1, pointer), (2, only.iov_len as u64)])?
        }
        elements => {
            vectored(call, elements, libc::SYS_sendmsg).map_err(|stop| socket_first(call, stop))?
        }
    };
    let flags = call.int(3);
    broken(call, value, flags)
}

/// `recvfrom`
///
/// # Errors
/// As Linux; a report of a freed pointer.
pub fn recvfrom(call: &mut Call<'_>) -> Result<i64, Stop> {
    let mut gather = buffer(call, Access::Write)?;
    let value = match gather.elements() {
        [only] => {
            let pointer = only.iov_base as u64;
            forward_with(call, &[(1, pointer), (2, only.iov_len as u64)])?
        }
        elements => {
            vectored(call, elements, libc::SYS_recvmsg).map_err(|stop| socket_first(call, stop))?
        }
    };
    if value > 0 {
        gather
            .scatter(call.memory(), value as u64)
            .map_err(|fault| Call::stop(1, fault))?;
    }
    Ok(value)
}

fn buffer(call: &Call<'_>, access: Access) -> Result<Gather, Stop> {
    let descriptor = call.descriptor(0)?;
    let whole = Segment {
        at: call.argument(1),
        length: call.argument(2).min(host::MOST_MOVED),
    };
    let gather =
        Gather::new(call.memory(), &[whole], 0, access).map_err(|fault| Call::stop(1, fault))?;
    check_whole(&gather, descriptor)?;
    Ok(gather)
}

/// A buffer in several pieces travels as a message.
fn vectored(call: &Call<'_>, elements: &[libc::iovec], number: i64) -> Result<i64, Stop> {
    let sends = number == libc::SYS_sendmsg;
    let mut name = [0u8; 128];
    let (at, word) = (call.argument(4), call.argument(5));
    let offered = match (at, sends) {
        (0, _) => 0,
        (_, true) => usize::try_from(word as i32).unwrap_or(usize::MAX),
        (_, false) => {
            let offered = call.read_u32(5, word)? as i32;
            usize::try_from(offered)
                .map_err(|_| Stop::Errno(libc::EINVAL))?
                .min(name.len())
        }
    };
    let Some(offer) = name.get_mut(..offered) else {
        return Err(Stop::Errno(libc::EINVAL));
    };
    if sends {
        call.read(4, at, offer)?;
    } else {
        call.check_live(4, at, offered as u64)?;
    }
    // SAFETY: all zeroes is a valid `msghdr`.
    let mut message = unsafe { std::mem::zeroed::<libc::msghdr>() };
    if at != 0 {
        message.msg_name = name.as_mut_ptr().cast();
        message.msg_namelen = if sends { offered } else { name.len() } as u32;
    }
    message.msg_iov = elements.as_ptr().cast_mut();
    message.msg_iovlen = elements.len() as _;
    let pointer = std::ptr::from_mut(&mut message) as u64;
    let value = host::commit(
        number,
        [call.argument(0), pointer, call.argument(3), 0, 0, 0],
    );
    if value >= 0 && at != 0 && !sends {
        let filled = offered.min(message.msg_namelen as usize);
        call.write(4, at, name.get(..filled).unwrap_or_default())?;
        call.write(5, word, &message.msg_namelen.to_le_bytes())?;
    }
    Ok(value)
}
