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
    let top = limit().map_or(64, |[soft, _]| soft.clamp(64, 1024));
    RawFd::try_from(top - RESERVED).unwrap_or(1000)
}

/// This process's limit on descriptors: soft and hard.
fn limit() -> Option<[u64; 2]> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure is ours and of the right type.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0;
    known.then_some([limit.rlim_cur, limit.rlim_max])
}

/// Sets this process's limit on descriptors; whether the host allows it.
pub fn set_limit([soft, hard]: [u64; 2]) -> bool {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the structure is ours and of the right type; the limit binds new descriptors only.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0 }
}

/// Sets the soft limit on descriptors and leaves the hard one.
pub fn set_soft_limit(soft: u64) {
    if let Some([_, hard]) = limit() {
        // A soft limit up to the hard one is always allowed.
        set_limit([soft.min(hard), hard]);
    }
}

/// Room for descriptors of the VMM's own while the program has a low limit: until it is dropped,
/// the soft limit is the hard one.
#[derive(Debug)]
pub struct Room {
    /// The limits before, and meanwhile.
    soft: Option<[u64; 2]>,
}

impl Room {
    /// Raises the limit.
    #[must_use]
    pub fn make() -> Self {
        let soft = limit().filter(|[soft, hard]| soft < hard && set_limit([*hard, *hard]));
        Self { soft }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some([before, raised]) = self.soft {
            // Unless the program has set it in the meantime.
            if limit().is_some_and(|[soft, _]| soft == raised) {
                set_soft_limit(before);
            }
        }
    }
}

/// As [`hide`], above the numbers that the program's limit allows it if the host lets the process
/// have such, so that any number of them leaves the program its own.
///
/// # Errors
/// When the host refuses: too many are open.
pub fn hide_beyond(descriptor: RawFd) -> io::Result<OwnedFd> {
    let Some([soft, hard]) = limit() else {
        return hide(descriptor);
    };
    if soft >= hard {
        return hide(descriptor);
    }
    let lowest = soft.max(u64::from(lowest_hidden().unsigned_abs()) + RESERVED);
    let room = Room::make();
    // SAFETY: duplicates a descriptor; no memory is involved.
    let moved = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, lowest) };
    drop(room);
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
