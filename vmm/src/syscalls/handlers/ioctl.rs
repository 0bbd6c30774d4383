//! `ioctl`: the requests that are known, and what each takes.
//!
//! The list is closed: a request's argument may hold pointers that only its driver knows of, so
//! one that is not listed is ENOTTY.

use super::word::{with_word, Word};
use crate::syscalls::call::{Call, Stop};
use Word::{Descriptor, In, InOut, Out, Value};

/// `ioctl`
///
/// # Errors
/// ENOTTY for requests that are not listed; EFAULT; a report of a freed pointer.
pub fn ioctl(call: &mut Call<'_>) -> Result<i64, Stop> {
    call.descriptor(0)?;
    let request = call.int(1) as u32;
    let Some((_, word)) = REQUESTS.iter().find(|(known, _)| *known == request) else {
        // A descriptor that is not open is told first, as the kernel does.
        let mode = crate::syscalls::engine::host::ask(
            libc::SYS_fcntl,
            [call.argument(0), libc::F_GETFL as u64, 0, 0, 0, 0],
        );
        let closed = mode < 0 || mode as i32 & libc::O_PATH != 0;
        let errno = if closed { libc::EBADF } else { libc::ENOTTY };
        return Err(Stop::Errno(errno));
    };
    if request == FIOASYNC && !call.process.owns_process() {
        return Err(Stop::Errno(libc::EINVAL));
    }
    if request == FICLONERANGE {
        let source = call.read_u64(2, call.argument(2))?;
        call.visible(source as i32)?;
    }
    with_word(call, 2, *word)
}

const FICLONERANGE: u32 = 0x4020_940d;
const FIOASYNC: u32 = 0x5452;

/// Known requests. `struct termios` has 36 bytes in the kernel, `termios2` 44, `ifreq` 40.
const REQUESTS: &[(u32, Word)] = &[
    // Terminals.
    (libc::TCGETS as u32, Out(36)),
    (libc::TCSETS as u32, In(36)),
    (libc::TCSETSW as u32, In(36)),
    (libc::TCSETSF as u32, In(36)),
    (0x802c_542a, Out(44)),
    (0x402c_542b, In(44)),
    (0x402c_542c, In(44)),
    (0x402c_542d, In(44)),
    (libc::TCSBRK as u32, Value),
    (0x5425, Value),
    (libc::TCXONC as u32, Value),
    (libc::TCFLSH as u32, Value),
    (libc::TIOCEXCL as u32, Value),
    (libc::TIOCNXCL as u32, Value),
    (libc::TIOCSCTTY as u32, Value),
    (libc::TIOCNOTTY as u32, Value),
    (libc::TIOCGPGRP as u32, Out(4)),
    (libc::TIOCSPGRP as u32, In(4)),
    (libc::TIOCGSID as u32, Out(4)),
    (libc::TIOCOUTQ as u32, Out(4)),
    (libc::TIOCSTI as u32, In(1)),
    (libc::TIOCGWINSZ as u32, Out(8)),
    (libc::TIOCSWINSZ as u32, In(8)),
    (libc::TIOCMGET as u32, Out(4)),
    (libc::TIOCMSET as u32, In(4)),
    (libc::TIOCMBIS as u32, In(4)),
    (libc::TIOCMBIC as u32, In(4)),
    (0x5423, In(4)),
    (0x5424, Out(4)),
    (0x5420, In(4)),
    (0x8004_5430, Out(4)),
    (0x4004_5431, In(4)),
    (0x8004_5438, Out(4)),
    (0x8004_5439, Out(4)),
    (0x8004_5440, Out(4)),
    (0x5441, Value),
    // Any descriptor.
    (libc::FIONREAD as u32, Out(4)),
    (libc::FIONBIO as u32, In(4)),
    (FIOASYNC, In(4)),
    (libc::FIOCLEX as u32, Value),
    (libc::FIONCLEX as u32, Value),
    (0x5460, Out(8)),
    // Sockets.
    (0x8905, Out(4)),
    (0x8904, Out(4)),
    (0x8902, In(4)),
    (0x8906, Out(16)),
    (0x8907, Out(16)),
    (0x8910, InOut(40)),
    (0x8913, InOut(40)),
    (0x8915, InOut(40)),
    (0x8917, InOut(40)),
    (0x8919, InOut(40)),
    (0x891b, InOut(40)),
    (0x891d, InOut(40)),
    (0x8921, InOut(40)),
    (0x8927, InOut(40)),
    (0x8933, InOut(40)),
    (0x8942, InOut(40)),
    (0x8970, InOut(40)),
    // The address on `AF_VSOCK`.
    (0x7b9, Out(4)),
    // Files and file systems.
    (0x1, InOut(4)),
    (0x2, Out(4)),
    (0x4004_9409, Descriptor),
    (FICLONERANGE, In(32)),
    (0x8008_6601, Out(4)),
    (0x4008_6602, In(4)),
    (0x8008_7601, Out(4)),
    (0x801c_581f, Out(28)),
    (0x401c_5820, In(28)),
    // Block devices.
    (0x125e, Out(4)),
    (0x1260, Out(8)),
    (0x8008_1272, Out(8)),
    (0x1268, Out(4)),
    (0x127b, Out(4)),
    (0x1278, Out(4)),
    (0x1279, Out(4)),
    // The clock and random devices.
    (0x8024_7009, Out(36)),
    (0x8004_5200, Out(4)),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel encodes the size of newer requests in their number.
    #[test]
    fn sizes_agree_with_the_numbers() {
        for (request, word) in REQUESTS {
            let (direction, size) = (request >> 30, (request >> 16 & 0x3fff) as u16);
            let stated = match (direction, *word) {
                (0, _) | (_, Descriptor) => continue,
                (_, In(size) | Out(size) | InOut(size)) => size,
                (_, Value) => 0,
            };
            // Flags and versions of files say `long`, and are `int`s.
            let is_int = matches!(request & 0xffff, 0x6601 | 0x6602 | 0x7601 | 0x7602);
            assert_eq!(stated, if is_int { 4 } else { size }, "{request:#x}");
        }
    }

    #[test]
    fn every_request_stands_once() {
        for (place, (request, _)) in REQUESTS.iter().enumerate() {
            assert!(REQUESTS[place + 1..]
                .iter()
                .all(|(other, _)| other != request));
        }
    }
}
