//! Standard descriptors that this process was started without.
//!
//! Rust's start-up opens `/dev/null` in place of standard input, output and error where they are
//! closed. A program that is started so finds them closed, and its next `open` gets their numbers.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU8, Ordering};

const STANDARD: [RawFd; 3] = [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO];

/// A bit for each standard descriptor that was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Notes what is closed, before Rust's start-up changes it.
extern "C" fn note_closed() {
    for descriptor in STANDARD {
        // SAFETY: asks for a flag of a number, whatever that is.
        if unsafe { libc::fcntl(descriptor, libc::F_GETFD) } == -1 {
            CLOSED.fetch_or(1 << descriptor, Ordering::SeqCst);
        }
    }
}

// SAFETY: the function takes what the C library passes, which it ignores, needs nothing of Rust's
// runtime, and neither unwinds nor allocates.
#[used]
#[link_section = ".init_array"]
static NOTE_CLOSED: extern "C" fn() = note_closed;

/// Closes again what was closed, in a process that is the program's alone.
pub fn close_again() {
    let closed = CLOSED.swap(0, Ordering::SeqCst);
    for descriptor in STANDARD {
        if closed & 1 << descriptor != 0 {
            // SAFETY: Rust's start-up opened it, for nobody.
            unsafe { libc::close(descriptor) };
        }
    }
}
