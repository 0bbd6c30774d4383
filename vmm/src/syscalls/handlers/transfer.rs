//! Moving bytes between descriptors and the program's memory, in one piece or many.

use super::sending;
use crate::memory::user::Access;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::gather::{limited, Gather, Segment, MOST_ELEMENTS};
use crate::syscalls::engine::{first_error, forward, host};

/// `read`
///
/// # Errors
/// EBADF for the VMM's descriptors; a report of a freed buffer.
pub fn read(call: &mut Call<'_>) -> Result<i64, Stop> {
    single(call, libc::SYS_readv, Access::Write, None)
}

/// `pread64`
///
/// # Errors
/// As [`read`].
pub fn pread(call: &mut Call<'_>) -> Result<i64, Stop> {
    single(call, libc::SYS_preadv, Access::Write, Some(3))
}

/// `write`
///
/// # Errors
/// As [`read`]; the end of the program by `SIGPIPE`.
pub fn write(call: &mut Call<'_>) -> Result<i64, Stop> {
    let value = single(call, libc::SYS_writev, Access::Read, None)?;
    sending::broken_pipe(call, value)
}

/// `pwrite64`
///
/// # Errors
/// As [`read`].
pub fn pwrite(call: &mut Call<'_>) -> Result<i64, Stop> {
    single(call, libc::SYS_pwritev, Access::Read, Some(3))
}

/// `readv`, `preadv`, `preadv2`
///
/// # Errors
/// As [`read`]; EINVAL for a bad list.
pub fn readv(call: &mut Call<'_>) -> Result<i64, Stop> {
    let segments = list(call)?;
    several(call, &segments, Access::Write)
}

/// `writev`, `pwritev`, `pwritev2`
///
/// # Errors
/// As [`write`]; EINVAL for a bad list.
pub fn writev(call: &mut Call<'_>) -> Result<i64, Stop> {
    let segments = list(call)?;
    let value = several(call, &segments, Access::Read)?;
    sending::broken_pipe(call, value)
}

/// `vmsplice`: which way the bytes go depends on the end of the pipe.
///
/// # Errors
/// As [`write`].
pub fn vmsplice(call: &mut Call<'_>) -> Result<i64, Stop> {
    let descriptor = call.descriptor(0)?;
    let segments = list(call)?;
    let mode = host::ask(
        libc::SYS_fcntl,
        [descriptor as u64, libc::F_GETFL as u64, 0, 0, 0, 0],
    );
    let reads = mode >= 0 && mode as i32 & libc::O_ACCMODE == libc::O_RDONLY;
    let access = if reads { Access::Write } else { Access::Read };
    // The pages themselves go into the pipe, so they are not copied on the way there.
    let mut gather = gather(call, &segments, 0, access)?;
    let elements = gather.elements();
    let arguments = [
        call.argument(0),
        elements.as_ptr() as u64,
        elements.len() as u64,
        call.argument(3),
        0,
        0,
    ];
    let value = host::commit(call.entry.number, arguments);
    if reads && value > 0 {
        gather
            .scatter(call.memory(), value as u64)
            .map_err(|fault| Call::stop(1, fault))?;
    }
    sending::broken_pipe(call, value)
}

/// Calls that the engine serves and that may break a pipe.
///
/// # Errors
/// As the engine; the end of the program by `SIGPIPE`.
pub fn guarded(call: &mut Call<'_>) -> Result<i64, Stop> {
    let value = forward(call)?;
    // `sendfile` stores its position whatever happened.
    let position = call.argument(2);
    if call.entry.number == libc::SYS_sendfile
        && position != 0
        && host::slices(call.memory(), position, 8, Access::Write).is_err()
    {
        return Err(Stop::Errno(libc::EFAULT));
    }
    sending::broken_pipe(call, value)
}

/// The buffers of a call that takes a `struct iovec[]`.
fn list(call: &Call<'_>) -> Result<Vec<Segment>, Stop> {
    let count = u64::from(call.argument(2) as u32);
    segments(call, 1, call.argument(1), count).map_err(|stop| {
        // The kernel may have something to say of the descriptor or the position first. It never
        // comes to a buffer.
        let mut empty = call.arguments;
        (empty[1], empty[2]) = match stop {
            Stop::Errno(libc::EFAULT) => (host::fence(), count),
            _ if count > MOST_ELEMENTS as u64 => (host::fence(), count),
            _ => (0, 0),
        };
        first_error(call, stop, empty)
    })
}

/// The buffers of a `struct iovec[]`, read once.
///
/// # Errors
/// EINVAL for too many or too long ones, EFAULT, a report of a freed list.
pub fn segments(
    call: &Call<'_>,
    argument: usize,
    at: u64,
    count: u64,
) -> Result<Vec<Segment>, Stop> {
    if count > MOST_ELEMENTS as u64 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let mut bytes = vec![0; count as usize * 16];
    call.read(argument, at, &mut bytes)?;
    let list = bytes
        .chunks_exact(16)
        .map(|pair| {
            let (at, length) = pair.split_at(8);
            Segment {
                at: word(at),
                length: word(length),
            }
        })
        .collect();
    limited(list).ok_or(Stop::Errno(libc::EINVAL))
}

/// A list of the buffers in the host's terms.
///
/// # Errors
/// A report of a freed buffer.
pub fn gather(
    call: &Call<'_>,
    segments: &[Segment],
    skip: u64,
    access: Access,
) -> Result<Gather, Stop> {
    Gather::new(call.memory(), segments, skip, access).map_err(|fault| Call::stop(1, fault))
}

fn word(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// A call with one buffer: as it is where the buffer is contiguous, vectored where it is not.
fn single(
    call: &mut Call<'_>,
    vectored: i64,
    access: Access,
    position: Option<usize>,
) -> Result<i64, Stop> {
    call.descriptor(0)?;
    let (at, count) = (call.argument(1), call.argument(2));
    let length = count.min(host::MOST_MOVED);
    let mut plain = [call.argument(0), host::absent(at, count), count, 0, 0, 0];
    if let Some(index) = position {
        plain[3] = call.argument(index);
    }
    // Lengths over half the address space, and buffers that leave it, are the kernel's to refuse.
    if i64::try_from(count).is_err() || length == 0 || !host::in_user_range(at, count) {
        return Ok(host::commit(call.entry.number, plain));
    }
    if let Ok(slices) = host::slices(call.memory(), at, length, access) {
        if let [slice] = slices.as_slice() {
            plain[1] = slice.pointer as u64;
            plain[2] = length;
            return Ok(host::commit(call.entry.number, plain));
        }
    }
    move_bytes(call, &[Segment { at, length }], access, |elements, done| {
        let offset = position.map_or(0, |index| call.argument(index).wrapping_add(done));
        let list = elements.as_ptr() as u64;
        match elements {
            // One copy of the whole: the call as it was made.
            [only] => {
                let pointer = only.iov_base as u64;
                let plain = [call.argument(0), pointer, only.iov_len as u64, offset, 0, 0];
                host::commit(call.entry.number, plain)
            }
            _ => host::commit(
                vectored,
                [call.argument(0), list, elements.len() as u64, offset, 0, 0],
            ),
        }
    })
}

fn several(call: &mut Call<'_>, segments: &[Segment], access: Access) -> Result<i64, Stop> {
    call.descriptor(0)?;
    // An offset of -1 means the file's own position, in the calls that know it.
    let own_position = call.entry.arguments.len() < 4
        || (call.entry.arguments.len() == 6 && call.argument(3) == u64::MAX);
    move_bytes(call, segments, access, |elements, done| {
        let offset = call
            .argument(3)
            .wrapping_add(if own_position { 0 } else { done });
        let list = elements.as_ptr() as u64;
        let arguments = [
            call.argument(0),
            list,
            elements.len() as u64,
            offset,
            call.argument(4),
            call.argument(5),
        ];
        host::commit(call.entry.number, arguments)
    })
}

/// Runs a vectored call until everything moved or it moved less than asked. More than one round is
/// needed only when the buffers are in more pieces than one call takes.
fn move_bytes(
    call: &Call<'_>,
    segments: &[Segment],
    access: Access,
    mut run: impl FnMut(&[libc::iovec], u64) -> i64,
) -> Result<i64, Stop> {
    let mut done = 0u64;
    loop {
        let mut gather = gather(call, segments, done, access)?;
        let value = run(gather.elements(), done);
        if value < 0 {
            return Ok(if done > 0 { done as i64 } else { value });
        }
        if access == Access::Write {
            gather
                .scatter(call.memory(), value as u64)
                .map_err(|fault| Call::stop(1, fault))?;
        }
        done += value as u64;
        if !gather.is_cut() || (value as u64) < gather.total() {
            return Ok(done as i64);
        }
        // Only a file gives the next bytes without waiting for them.
        if access == Access::Write && !is_file(call.int(0)) {
            return Ok(done as i64);
        }
    }
}

fn is_file(descriptor: i32) -> bool {
    // SAFETY: all zeroes is a valid `stat`, and the kernel writes no more than one.
    let (result, status) = unsafe {
        let mut status = std::mem::zeroed::<libc::stat>();
        (libc::fstat(descriptor, &mut status), status)
    };
    result == 0 && matches!(status.st_mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFBLK)
}
