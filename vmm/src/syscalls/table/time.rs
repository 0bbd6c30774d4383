//! Clocks, sleeping and timers.

use super::entry::{entries, fd, flags, inout, input, output, remainder, unsigned, Entry, Shape};
use super::vocabulary::{CLOCK, ITIMER, TIMER, TIMERFD, TIMERFD_SET};
use crate::syscalls::handlers::timers;

/// The entries.
pub const ENTRIES: &[Entry] = entries! {
    [forward] time SYS_time (output("tloc", 8, Shape::Longs));
    [forward] gettimeofday SYS_gettimeofday
        (output("tv", 16, Shape::Timeval), output("tz", 8, Shape::Ints));
    [forward] settimeofday SYS_settimeofday
        (input("tv", 16, Shape::Timeval), input("tz", 8, Shape::Ints));
    [forward] clock_gettime SYS_clock_gettime
        (flags("which_clock", &CLOCK), output("tp", 16, Shape::Timespec));
    [forward] clock_settime SYS_clock_settime
        (flags("which_clock", &CLOCK), input("tp", 16, Shape::Timespec));
    [forward] clock_getres SYS_clock_getres
        (flags("which_clock", &CLOCK), output("tp", 16, Shape::Timespec));
    [forward] clock_adjtime SYS_clock_adjtime
        (flags("which_clock", &CLOCK), inout("tx", 208, Shape::Opaque));
    [forward] adjtimex SYS_adjtimex (inout("txc_p", 208, Shape::Opaque));
    [forward] nanosleep SYS_nanosleep
        (input("rqtp", 16, Shape::Timespec), remainder("rmtp", 16, Shape::Timespec));
    [forward] clock_nanosleep SYS_clock_nanosleep
        (flags("which_clock", &CLOCK), flags("flags", &TIMER), input("rqtp", 16, Shape::Timespec),
         remainder("rmtp", 16, Shape::Timespec));
    [forward] times SYS_times (output("tbuf", 32, Shape::Longs));
    [by_hand timers::alarm] alarm SYS_alarm (unsigned("seconds"));
    [by_hand timers::getitimer] getitimer SYS_getitimer
        (flags("which", &ITIMER), output("value", 32, Shape::Timeval));
    [by_hand timers::setitimer] setitimer SYS_setitimer
        (flags("which", &ITIMER), input("value", 32, Shape::Timeval),
         output("ovalue", 32, Shape::Timeval));
    [forward] timerfd_create SYS_timerfd_create
        (flags("clockid", &CLOCK), flags("flags", &TIMERFD));
    [forward] timerfd_settime SYS_timerfd_settime
        (fd("ufd"), flags("flags", &TIMERFD_SET), input("utmr", 32, Shape::Timer),
         output("otmr", 32, Shape::Timer));
    [forward] timerfd_gettime SYS_timerfd_gettime
        (fd("ufd"), output("otmr", 32, Shape::Timer));
};
