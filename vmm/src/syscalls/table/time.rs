//! Clocks, sleeping and timers.

use super::entry::{
    entries, fd, flags, inout, input, int, output, remainder, unsigned, Entry, Shape,
};
use super::vocabulary::{CLOCK, ITIMER, TIMER, TIMERFD, TIMERFD_SET};

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
    [forward] alarm SYS_alarm (unsigned("seconds"));
    [forward] getitimer SYS_getitimer
        (flags("which", &ITIMER), output("value", 32, Shape::Timeval));
    [forward] setitimer SYS_setitimer
        (flags("which", &ITIMER), input("value", 32, Shape::Timeval),
         output("ovalue", 32, Shape::Timeval));
    [forward] timer_create SYS_timer_create
        (flags("which_clock", &CLOCK), input("timer_event_spec", 64, Shape::Opaque),
         output("created_timer_id", 4, Shape::Ints));
    [forward] timer_settime SYS_timer_settime
        (int("timer_id"), int("flags"), input("new_setting", 32, Shape::Timer),
         output("old_setting", 32, Shape::Timer));
    [forward] timer_gettime SYS_timer_gettime
        (int("timer_id"), output("setting", 32, Shape::Timer));
    [forward] timer_getoverrun SYS_timer_getoverrun (int("timer_id"));
    [forward] timer_delete SYS_timer_delete (int("timer_id"));
    [forward] timerfd_create SYS_timerfd_create
        (flags("clockid", &CLOCK), flags("flags", &TIMERFD));
    [forward] timerfd_settime SYS_timerfd_settime
        (fd("ufd"), flags("flags", &TIMERFD_SET), input("utmr", 32, Shape::Timer),
         output("otmr", 32, Shape::Timer));
    [forward] timerfd_gettime SYS_timerfd_gettime
        (fd("ufd"), output("otmr", 32, Shape::Timer));
};
