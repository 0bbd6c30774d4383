//! Signals.

use super::entry::{
    entries, fd, flags, input, int, mask, output, output_whole, pointer, signal, size, unsigned,
    Entry, Shape,
};
use super::vocabulary::MASK;
use crate::syscalls::handlers::{sending, signals, stacks};

/// The entries.
pub const ENTRIES: &[Entry] = entries! {
    [by_hand signals::action] rt_sigaction SYS_rt_sigaction
        (signal("sig"), input("act", 32, Shape::SignalAction),
         output("oact", 32, Shape::SignalAction), size("sigsetsize"));
    [by_hand signals::mask] rt_sigprocmask SYS_rt_sigprocmask
        (flags("how", &MASK), input("nset", 8, Shape::SignalSet),
         output("oset", 8, Shape::SignalSet), size("sigsetsize"));
    [forward] rt_sigpending SYS_rt_sigpending
        (output_whole("uset", 1, Shape::SignalSet), size("sigsetsize"));
    [by_hand signals::suspend] rt_sigsuspend SYS_rt_sigsuspend
        (mask("unewset", 1), size("sigsetsize"));
    [by_hand signals::timed_wait] rt_sigtimedwait SYS_rt_sigtimedwait
        (input("uthese", 8, Shape::SignalSet), output("uinfo", 128, Shape::Opaque),
         input("uts", 16, Shape::Timespec), size("sigsetsize"));
    [by_hand signals::sigreturn] rt_sigreturn SYS_rt_sigreturn ();
    [by_hand stacks::alternate] sigaltstack SYS_sigaltstack
        (input("uss", 24, Shape::Opaque), output("uoss", 24, Shape::Opaque));
    [by_hand sending::kill] kill SYS_kill (int("pid"), signal("sig"));
    [by_hand sending::tkill] tkill SYS_tkill (int("pid"), signal("sig"));
    [by_hand sending::tgkill] tgkill SYS_tgkill (int("tgid"), int("pid"), signal("sig"));
    [by_hand sending::queue] rt_sigqueueinfo SYS_rt_sigqueueinfo
        (int("pid"), signal("sig"), input("uinfo", 128, Shape::Opaque));
    [by_hand sending::queue_thread] rt_tgsigqueueinfo SYS_rt_tgsigqueueinfo
        (int("tgid"), int("pid"), signal("sig"), input("uinfo", 128, Shape::Opaque));
    [by_hand sending::by_descriptor] pidfd_send_signal SYS_pidfd_send_signal
        (fd("pidfd"), signal("sig"), pointer("info", Shape::Opaque), unsigned("flags"));
    [by_hand signals::descriptor] signalfd SYS_signalfd
        (fd("ufd"), pointer("user_mask", Shape::SignalSet), size("sizemask"));
    [by_hand signals::descriptor] signalfd4 SYS_signalfd4
        (fd("ufd"), pointer("user_mask", Shape::SignalSet), size("sizemask"), int("flags"));
    [forward] pause SYS_pause ();
};
