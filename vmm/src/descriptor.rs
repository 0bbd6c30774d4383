//! Descriptors of the VMM: kept out of the program's way and sight.
//!
//! The VMM shares the program's descriptor table, since the host's kernel serves the program's
//! calls on it. Its own descriptors have numbers from [`lowest_hidden`] on, so that the program
//! finds the low ones free as it would natively; system calls treat them as closed.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// How many numbers are kept for the VMM.
const RESERVED: u64 = 24;

/// The lowest number that the VMM gives its own descriptors.
#[must_use]
pub fn lowest_hidden() -> RawFd {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure is ours and of the right type.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    let top = limit.rlim_cur.clamp(64, 1024);
    RawFd::try_from(top - RESERVED).unwrap_or(1000)
}

/// As [`hide`], above the numbers that the program's limit allows it if the host lets the process
/// have such, so that any number of them leaves the program its own.
///
/// # Errors
/// When the host refuses: too many are open.
pub fn hide_beyond(descriptor: RawFd) -> io::Result<OwnedFd> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure is ours and of the right type.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0;
    if !known || limit.rlim_cur >= limit.rlim_max {
        return hide(descriptor);
    }
    let raised = libc::rlimit {
        rlim_cur: limit.rlim_max,
        ..limit
    };
    let lowest = limit
        .rlim_cur
        .max(u64::from(lowest_hidden().unsigned_abs()) + RESERVED);
    // SAFETY: the structures are ours; the limit binds new descriptors only, and is put back.
    let moved = unsafe {
        libc::setrlimit(libc::RLIMIT_NOFILE, &raised);
        let moved = libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, lowest);
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        moved
    };
    if moved < 0 {
        return hide(descriptor);
    }
    // SAFETY: the duplicate is fresh and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// A copy of `descriptor` with a number out of the program's way, closed on exec.
///
/// # Errors
/// When the host refuses: too many are open.
pub fn hide(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: duplicates a descriptor; no memory is involved.
    let moved = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, lowest_hidden()) };
    if moved < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the duplicate is fresh and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}
