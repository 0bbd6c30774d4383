//! Calls on descriptors themselves.

use super::entry::{address, entries, fd, flags, int, output, text, unsigned, Entry, Shape};
use super::vocabulary::{EVENTFD, FCNTL, IOCTL, MEMFD, PIPE};
use crate::syscalls::handlers::{closing, fcntl, ioctl};

/// The entries.
pub const ENTRIES: &[Entry] = entries! {
    [forward] close SYS_close (fd("fd"));
    [by_hand closing::close_range] close_range SYS_close_range
        (unsigned("fd"), unsigned("max_fd"), unsigned("flags"));
    [forward] dup SYS_dup (fd("fildes"));
    [forward] dup2 SYS_dup2 (fd("oldfd"), fd("newfd"));
    [forward] dup3 SYS_dup3 (fd("oldfd"), fd("newfd"), flags("flags", &PIPE));
    [by_hand fcntl::fcntl] fcntl SYS_fcntl (fd("fd"), flags("cmd", &FCNTL), address("arg"));
    [by_hand ioctl::ioctl] ioctl SYS_ioctl (fd("fd"), flags("cmd", &IOCTL), address("arg"));
    [forward] pipe SYS_pipe (output("fildes", 8, Shape::Ints));
    [forward] pipe2 SYS_pipe2 (output("fildes", 8, Shape::Ints), flags("flags", &PIPE));
    [forward] eventfd SYS_eventfd (unsigned("count"));
    [forward] eventfd2 SYS_eventfd2 (unsigned("count"), flags("flags", &EVENTFD));
    [forward] memfd_create SYS_memfd_create (text("uname_ptr"), flags("flags", &MEMFD));
    [forward] memfd_secret SYS_memfd_secret (unsigned("flags"));
    [forward] pidfd_open SYS_pidfd_open (int("pid"), unsigned("flags"));
};
