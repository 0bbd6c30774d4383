//! `sendmmsg` and `recvmmsg`: messages one after the other.

use super::messages::{self, broken, buffers, read_header, HEADER};
use crate::syscalls::call::{Call, Stop};
use std::time::{Duration, Instant};

/// `struct mmsghdr`: a header and how much of the message moved.
const ITEM: u64 = HEADER + 8;
/// `MSG_CMSG_COMPAT`
const COMPATIBLE: i32 = i32::MIN;
/// The most messages in one call.
const MOST: u64 = 1024;

/// `sendmmsg`
///
/// # Errors
/// As `sendmsg`, for the first message.
pub fn sendmmsg(call: &mut Call<'_>) -> Result<i64, Stop> {
    let flags = call.int(3);
    let mut done = 0;
    open(call)?;
    for at in items(call) {
        let value = send_one(call, at, flags);
        match after(value, done) {
            Step::Next => done += 1,
            Step::End(result) => {
                let value = result?;
                return if done > 0 {
                    Ok(value)
                } else {
                    broken(call, value, flags)
                };
            }
        }
    }
    Ok(done)
}

/// `recvmmsg`
///
/// # Errors
/// As `recvmsg`, for the first message.
pub fn recvmmsg(call: &mut Call<'_>) -> Result<i64, Stop> {
    let deadline = deadline(call)?;
    let mut flags = call.int(3) & !libc::MSG_WAITFORONE;
    let mut done = 0;
    open(call)?;
    for at in items(call) {
        let value = receive_one(call, at, flags);
        match after(value, done) {
            Step::Next => done += 1,
            Step::End(result) if done == 0 => return result,
            Step::End(result) => {
                leave(call, deadline)?;
                return result;
            }
        }
        if call.int(3) & libc::MSG_WAITFORONE != 0 {
            flags |= libc::MSG_DONTWAIT;
        }
        // As on Linux, time is looked at only after a message.
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break;
        }
    }
    if done > 0 {
        leave(call, deadline)?;
    }
    Ok(done)
}

/// The descriptor is looked at before the messages, even if there are none.
fn open(call: &Call<'_>) -> Result<(), Stop> {
    let descriptor = call.descriptor(0)?;
    if call.int(3) & COMPATIBLE != 0 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    messages::kind(descriptor).map_err(Stop::Errno)?;
    Ok(())
}

enum Step {
    Next,
    End(Result<i64, Stop>),
}

/// An error after the first message is not told: the messages that moved are.
fn after(value: Result<i64, Stop>, done: i64) -> Step {
    match value {
        Ok(value) if value >= 0 => Step::Next,
        Ok(_) | Err(Stop::Errno(_)) if done > 0 => Step::End(Ok(done)),
        other => Step::End(other),
    }
}

fn items(call: &Call<'_>) -> impl Iterator<Item = u64> {
    let (at, count) = (
        call.argument(1),
        u64::from(call.argument(2) as u32).min(MOST),
    );
    (0..count).map(move |place| at.wrapping_add(place * ITEM))
}

fn send_one(call: &Call<'_>, at: u64, flags: i32) -> Result<i64, Stop> {
    let header = read_header(call, at)?;
    let segments = messages::sent(call, &header)?;
    let value = messages::send(call, &header, &segments, flags)?;
    if value >= 0 {
        call.write(1, at.wrapping_add(HEADER), &(value as u32).to_le_bytes())?;
    }
    Ok(value)
}

fn receive_one(call: &Call<'_>, at: u64, flags: i32) -> Result<i64, Stop> {
    let header = read_header(call, at)?;
    let segments = buffers(call, &header)?;
    let received = messages::receive(call, &header, &segments, flags)?;
    if received.value >= 0 {
        messages::write_header(call, at, &header, &received)?;
        call.write(
            1,
            at.wrapping_add(HEADER),
            &(received.value as u32).to_le_bytes(),
        )?;
    }
    Ok(received.value)
}

fn deadline(call: &Call<'_>) -> Result<Option<Instant>, Stop> {
    let at = call.argument(4);
    if at == 0 {
        return Ok(None);
    }
    let seconds = call.read_u64(4, at)?;
    let nanoseconds = call.read_u64(4, at.wrapping_add(8))?;
    if i64::try_from(seconds).is_err() || nanoseconds >= 1_000_000_000 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    Ok(Instant::now().checked_add(Duration::new(seconds, nanoseconds as u32)))
}

/// Tells the program how much of its time is left.
fn leave(call: &Call<'_>, deadline: Option<Instant>) -> Result<(), Stop> {
    let Some(deadline) = deadline else {
        return Ok(());
    };
    let left = deadline.saturating_duration_since(Instant::now());
    let mut bytes = [0u8; 16];
    bytes[..8].copy_from_slice(&left.as_secs().to_le_bytes());
    bytes[8..].copy_from_slice(&u64::from(left.subsec_nanos()).to_le_bytes());
    call.write(4, call.argument(4), &bytes)
}
