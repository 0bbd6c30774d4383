//! Waiting for events on descriptors.

use super::entry::{
    descriptor_set, entries, fd, flags, inout, input, int, mask, mask_pair, output_items, size,
    unsigned, Argument, Block, Direction, Entry, Extent, Filled, Kind, Shape,
};
use super::vocabulary::{EPOLL, EPOLL_OPERATION};
use crate::syscalls::handlers::polling;

/// `struct pollfd[]`, of which the kernel writes the events.
const fn poll_array(name: &'static str, count: usize) -> Argument {
    Argument {
        name,
        kind: Kind::Memory(Block {
            direction: Direction::InOut,
            extent: Extent::Items { count, size: 8 },
            filled: Filled::Whole,
            shape: Shape::PollDescriptors,
        }),
    }
}

/// The entries.
pub const ENTRIES: &[Entry] = entries! {
    [by_hand polling::poll] poll SYS_poll (poll_array("ufds", 1), unsigned("nfds"), int("timeout"));
    [by_hand polling::poll] ppoll SYS_ppoll
        (poll_array("ufds", 1), unsigned("nfds"), inout("tsp", 16, Shape::Timespec),
         mask("sigmask", 4), size("sigsetsize"));
    [forward] select SYS_select
        (int("n"), descriptor_set("inp"), descriptor_set("outp"), descriptor_set("exp"),
         inout("tvp", 16, Shape::Timeval));
    [forward] pselect6 SYS_pselect6
        (int("n"), descriptor_set("inp"), descriptor_set("outp"), descriptor_set("exp"),
         inout("tsp", 16, Shape::Timespec), mask_pair("sig"));
    [forward] epoll_create SYS_epoll_create (int("size"));
    [forward] epoll_create1 SYS_epoll_create1 (flags("flags", &EPOLL));
    [forward] epoll_ctl SYS_epoll_ctl
        (fd("epfd"), flags("op", &EPOLL_OPERATION), fd("fd"),
         input("event", 12, Shape::EpollEvents));
    [forward] epoll_wait SYS_epoll_wait
        (fd("epfd"), output_items("events", 2, 12, Shape::EpollEvents), int("maxevents"),
         int("timeout"));
    [forward] epoll_pwait SYS_epoll_pwait
        (fd("epfd"), output_items("events", 2, 12, Shape::EpollEvents), int("maxevents"),
         int("timeout"), mask("sigmask", 5), size("sigsetsize"));
    [forward] epoll_pwait2 SYS_epoll_pwait2
        (fd("epfd"), output_items("events", 2, 12, Shape::EpollEvents), int("maxevents"),
         input("timeout", 16, Shape::Timespec), mask("sigmask", 5), size("sigsetsize"));
};
