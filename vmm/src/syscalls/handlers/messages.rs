//! `sendmsg` and `recvmsg`: a message's header is read once, and everything it leads to is
//! translated.

use super::sending;
use super::transfer::segments;
use crate::memory::user::Access;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::gather::{Gather, Segment};
use crate::syscalls::engine::host;

/// `struct sockaddr_storage`: the longest address.
const STORAGE: usize = 128;
/// The most control data that is taken; the kernel's own limit is lower by default.
const MOST_CONTROL: u64 = 64 << 10;
/// Index of the argument that reports name.
const ARGUMENT: usize = 1;

/// `struct msghdr` as the program passed it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    /// The address, or 0.
    pub name: u64,
    /// Bytes of it.
    pub name_length: i32,
    /// The list of buffers.
    pub list: u64,
    /// Buffers in it.
    pub count: u64,
    /// Control data, or 0.
    pub control: u64,
    /// Bytes of it.
    pub control_length: u64,
}

/// Bytes in a `struct msghdr`.
pub const HEADER: u64 = 56;

/// A message that was received: what the header says afterwards.
pub struct Received {
    /// The call's value.
    pub value: i64,
    name_length: i32,
    control_length: u64,
    flags: i32,
}

/// `sendmsg`
///
/// # Errors
/// As Linux; a report of a freed pointer anywhere in the message; the end of the program by
/// `SIGPIPE`.
pub fn sendmsg(call: &mut Call<'_>) -> Result<i64, Stop> {
    let header = read_header(call, call.argument(1)).map_err(|stop| socket_first(call, stop))?;
    let segments = sent(call, &header).map_err(|stop| socket_first(call, stop))?;
    let flags = call.int(2);
    let value = send(call, &header, &segments, flags)?;
    broken(call, value, flags)
}

/// `recvmsg`
///
/// # Errors
/// As Linux; a report of a freed pointer anywhere in the message.
pub fn recvmsg(call: &mut Call<'_>) -> Result<i64, Stop> {
    let at = call.argument(1);
    let header = read_header(call, at).map_err(|stop| socket_first(call, stop))?;
    let segments = buffers(call, &header).map_err(|stop| socket_first(call, stop))?;
    let received = receive(call, &header, &segments, call.int(2))?;
    if received.value >= 0 {
        write_header(call, at, &header, &received)?;
    }
    Ok(received.value)
}

/// The stop of a call, unless its descriptor is no socket, which the kernel tells first.
#[must_use]
pub fn socket_first(call: &Call<'_>, stop: Stop) -> Stop {
    match (&stop, kind(call.int(0))) {
        (Stop::Errno(_), Err(errno)) => Stop::Errno(errno),
        _ => stop,
    }
}

/// The type of a socket.
pub(super) fn kind(descriptor: i32) -> Result<i32, i32> {
    let (mut kind, mut length) = (0i32, 4u32);
    let arguments = [
        descriptor as u64,
        libc::SOL_SOCKET as u64,
        libc::SO_TYPE as u64,
        std::ptr::from_mut(&mut kind) as u64,
        std::ptr::from_mut(&mut length) as u64,
        0,
    ];
    match host::ask(libc::SYS_getsockopt, arguments) {
        0 => Ok(kind),
        error => Err(-error as i32),
    }
}

/// Reads a header.
///
/// # Errors
/// EFAULT, EINVAL for a negative length, a report of a freed pointer.
pub fn read_header(call: &Call<'_>, at: u64) -> Result<Header, Stop> {
    let bytes: [u8; HEADER as usize] = call.read_array(ARGUMENT, at)?;
    let mut words = [0u64; 7];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = chunk.try_into().map_or(0, u64::from_le_bytes);
    }
    let [name, name_length, list, count, control, control_length, _] = words;
    let name_length = if name == 0 { 0 } else { name_length as i32 };
    if name_length < 0 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    Ok(Header {
        name,
        name_length,
        list,
        count,
        control,
        control_length,
    })
}

/// The buffers of a message.
///
/// # Errors
/// EMSGSIZE for too many, EFAULT, a report of a freed list.
pub fn buffers(call: &Call<'_>, header: &Header) -> Result<Vec<Segment>, Stop> {
    segments(call, ARGUMENT, header.list, header.count).map_err(|stop| match stop {
        Stop::Errno(libc::EINVAL) if header.count > 1024 => Stop::Errno(libc::EMSGSIZE),
        other => other,
    })
}

/// The buffers of a message that is sent, whose address is looked at before.
///
/// # Errors
/// As [`buffers`].
pub fn sent(call: &Call<'_>, header: &Header) -> Result<Vec<Segment>, Stop> {
    let mut name = [0u8; STORAGE];
    let length = (header.name_length as usize).min(STORAGE);
    call.read(ARGUMENT, header.name, &mut name[..length])?;
    buffers(call, header)
}

/// Writes back what a header says after a message was received.
///
/// # Errors
/// EFAULT, a report of a freed pointer.
pub fn write_header(
    call: &Call<'_>,
    at: u64,
    header: &Header,
    received: &Received,
) -> Result<(), Stop> {
    if header.name != 0 {
        call.write(
            ARGUMENT,
            at.wrapping_add(8),
            &received.name_length.to_le_bytes(),
        )?;
    }
    call.write(
        ARGUMENT,
        at.wrapping_add(40),
        &received.control_length.to_le_bytes(),
    )?;
    call.write(ARGUMENT, at.wrapping_add(48), &received.flags.to_le_bytes())
}

/// Sends a message.
///
/// # Errors
/// EFAULT, EBADF for the VMM's descriptors among those sent, ENOBUFS, a report of a freed pointer.
pub fn send(
    call: &Call<'_>,
    header: &Header,
    segments: &[Segment],
    flags: i32,
) -> Result<i64, Stop> {
    let descriptor = call.descriptor(0)?;
    let mut name = [0u8; STORAGE];
    // A longer address is cut off, as the kernel does.
    let name_length = (header.name_length as usize).min(STORAGE);
    call.read(ARGUMENT, header.name, &mut name[..name_length])?;
    let length = if header.control == 0 {
        0
    } else {
        header.control_length
    };
    if length > MOST_CONTROL {
        return Err(Stop::Errno(libc::ENOBUFS));
    }
    let mut control = vec![0u8; length as usize];
    call.read(ARGUMENT, header.control, &mut control)?;
    check_descriptors(call, &control)?;
    let gather = Gather::new(call.memory(), segments, 0, Access::Read)
        .map_err(|fault| Call::stop(ARGUMENT, fault))?;
    check_whole(&gather, descriptor)?;
    let message = message(&mut name, name_length, &gather, &mut control);
    let pointer = std::ptr::from_ref(&message) as u64;
    Ok(host::commit(
        libc::SYS_sendmsg,
        [descriptor as u64, pointer, flags as u64, 0, 0, 0],
    ))
}

/// Receives a message into the program's memory; the header itself is the caller's to write.
///
/// # Errors
/// EFAULT, a report of a freed pointer.
pub fn receive(
    call: &Call<'_>,
    header: &Header,
    segments: &[Segment],
    flags: i32,
) -> Result<Received, Stop> {
    let descriptor = call.descriptor(0)?;
    let mut name = [0u8; STORAGE];
    let name_length = (header.name_length as usize).min(STORAGE);
    call.check_live(ARGUMENT, header.name, name_length as u64)?;
    let offered = if header.control == 0 {
        0
    } else {
        header.control_length.min(MOST_CONTROL)
    };
    call.check_live(ARGUMENT, header.control, offered)?;
    let mut control = vec![0u8; offered as usize];
    let mut gather = Gather::new(call.memory(), segments, 0, Access::Write)
        .map_err(|fault| Call::stop(ARGUMENT, fault))?;
    check_whole(&gather, descriptor)?;
    let mut message = message(&mut name, STORAGE, &gather, &mut control);
    let pointer = std::ptr::from_mut(&mut message) as u64;
    let value = host::commit(
        libc::SYS_recvmsg,
        [descriptor as u64, pointer, flags as u64, 0, 0, 0],
    );
    let received = Received {
        value,
        name_length: message.msg_namelen as i32,
        control_length: message.msg_controllen as u64,
        flags: message.msg_flags,
    };
    if value < 0 {
        return Ok(received);
    }
    gather
        .scatter(call.memory(), value as u64)
        .map_err(|fault| Call::stop(ARGUMENT, fault))?;
    if header.name != 0 {
        let filled = name_length.min(received.name_length.max(0) as usize);
        call.write(ARGUMENT, header.name, &name[..filled])?;
    }
    let filled = control
        .get(..received.control_length as usize)
        .unwrap_or(&control);
    call.write(ARGUMENT, header.control, filled)?;
    Ok(received)
}

/// Lets a list that was cut off pass only where the rest may follow in another call: a message
/// must not lose its end.
///
/// # Errors
/// EMSGSIZE.
pub fn check_whole(gather: &Gather, descriptor: i32) -> Result<(), Stop> {
    if !gather.is_cut() {
        return Ok(());
    }
    if kind(descriptor).is_ok_and(|kind| kind != libc::SOCK_STREAM) {
        return Err(Stop::Errno(libc::EMSGSIZE));
    }
    Ok(())
}

/// Ends the program by `SIGPIPE` where the kernel would have sent it.
///
/// # Errors
/// The end of the program.
pub fn broken(call: &mut Call<'_>, value: i64, flags: i32) -> Result<i64, Stop> {
    if flags & libc::MSG_NOSIGNAL != 0 {
        return Ok(value);
    }
    sending::broken_pipe(call, value)
}

fn message(
    name: &mut [u8; STORAGE],
    name_length: usize,
    gather: &Gather,
    control: &mut [u8],
) -> libc::msghdr {
    // SAFETY: all zeroes is a valid `msghdr`.
    let mut message = unsafe { std::mem::zeroed::<libc::msghdr>() };
    if name_length > 0 {
        message.msg_name = name.as_mut_ptr().cast();
        message.msg_namelen = name_length as u32;
    }
    message.msg_iov = gather.elements().as_ptr().cast_mut();
    message.msg_iovlen = gather.elements().len() as _;
    if !control.is_empty() {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len() as _;
    }
    message
}

/// The VMM's own descriptors are not the program's to send.
fn check_descriptors(call: &Call<'_>, control: &[u8]) -> Result<(), Stop> {
    const HEAD: usize = 16;
    let mut rest = control;
    while let Some(head) = rest.get(..HEAD) {
        let length = head[..8].try_into().map_or(0, u64::from_le_bytes);
        let kind = head[8..].try_into().map_or(0, u64::from_le_bytes);
        let Some(body) = usize::try_from(length)
            .ok()
            .and_then(|end| rest.get(HEAD..end))
        else {
            // The kernel refuses the same length.
            return Ok(());
        };
        let rights = libc::SOL_SOCKET as u64 | (libc::SCM_RIGHTS as u64) << 32;
        if kind == rights {
            for number in body.chunks_exact(4) {
                call.visible(number.try_into().map_or(-1, i32::from_le_bytes))?;
            }
        }
        let next = (HEAD + body.len()).next_multiple_of(8);
        rest = rest.get(next..).unwrap_or_default();
    }
    Ok(())
}
