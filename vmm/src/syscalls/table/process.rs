//! The life of the process and of its threads, and how they are scheduled.

use super::entry::{
    address, entries, fd, flags, input, input_bytes, input_versioned, int, output, output_bytes,
    output_whole, path, pointer, size, unsigned, wide_flags, Entry, Shape,
};
use super::vocabulary::{
    ARCH_PRCTL, AT, CLOCK, CLONE, FUTEX, POLICY, PRCTL, PRIORITY, USAGE, WAIT, WAITID,
};
use crate::syscalls::handlers::{
    affinity, cloning, comparing, confining, ending, futex, prctl, replacing, threads,
};

/// The entries.
pub const ENTRIES: &[Entry] = entries! {
    [by_hand ending::exit] exit SYS_exit (int("error_code"));
    [by_hand ending::exit_group] exit_group SYS_exit_group (int("error_code"));
    [forward] getpid SYS_getpid ();
    [forward] gettid SYS_gettid ();
    [forward] getppid SYS_getppid ();
    [forward] getpgid SYS_getpgid (int("pid"));
    [forward] setpgid SYS_setpgid (int("pid"), int("pgid"));
    [forward] getpgrp SYS_getpgrp ();
    [forward] getsid SYS_getsid (int("pid"));
    [forward] setsid SYS_setsid ();
    [forward] wait4 SYS_wait4
        (int("upid"), output("stat_addr", 4, Shape::Ints), flags("options", &WAIT),
         output("ru", 144, Shape::Opaque));
    [forward] waitid SYS_waitid
        (flags("which", &WAITID), int("upid"), output("infop", 128, Shape::Opaque),
         flags("options", &WAIT), output("ru", 144, Shape::Opaque));
    [by_hand cloning::clone] clone SYS_clone
        (wide_flags("clone_flags", &CLONE), address("newsp"), pointer("parent_tidptr", Shape::Opaque),
         pointer("child_tidptr", Shape::Opaque), address("tls"));
    [by_hand cloning::clone3] clone3 SYS_clone3 (pointer("uargs", Shape::Opaque), size("size"));
    [by_hand cloning::fork] fork SYS_fork ();
    [by_hand cloning::vfork] vfork SYS_vfork ();
    [by_hand replacing::execve] execve SYS_execve
        (path("filename"), pointer("argv", Shape::Opaque), pointer("envp", Shape::Opaque));
    [by_hand replacing::execveat] execveat SYS_execveat
        (fd("fd"), path("filename"), pointer("argv", Shape::Opaque),
         pointer("envp", Shape::Opaque), flags("flags", &AT));
    [by_hand threads::arch_prctl] arch_prctl SYS_arch_prctl
        (flags("option", &ARCH_PRCTL), address("arg2"));
    [by_hand prctl::prctl] prctl SYS_prctl
        (flags("option", &PRCTL), address("arg2"), address("arg3"), address("arg4"),
         address("arg5"));
    [by_hand confining::seccomp] seccomp SYS_seccomp
        (unsigned("op"), unsigned("flags"), pointer("uargs", Shape::Opaque));
    [by_hand threads::set_tid_address] set_tid_address SYS_set_tid_address
        (pointer("tidptr", Shape::Opaque));
    [by_hand threads::set_robust_list] set_robust_list SYS_set_robust_list
        (pointer("head", Shape::Opaque), size("len"));
    [by_hand threads::get_robust_list] get_robust_list SYS_get_robust_list
        (int("pid"), pointer("head_ptr", Shape::Longs), pointer("len_ptr", Shape::Longs));
    [by_hand futex::futex] futex SYS_futex
        (pointer("uaddr", Shape::Opaque), flags("op", &FUTEX), unsigned("val"),
         pointer("utime", Shape::Opaque), pointer("uaddr2", Shape::Opaque), unsigned("val3"));
    [by_hand futex::waitv] futex_waitv SYS_futex_waitv
        (pointer("waiters", Shape::Opaque), unsigned("nr_futexes"), unsigned("flags"),
         pointer("timeout", Shape::Opaque), flags("clockid", &CLOCK));
    [forward] getcpu SYS_getcpu
        (output("cpu", 4, Shape::Ints), output("node", 4, Shape::Ints),
         pointer("cache", Shape::Opaque));
    [forward] getrusage SYS_getrusage (flags("who", &USAGE), output("ru", 144, Shape::Opaque));
    [forward] personality SYS_personality (unsigned("personality"));
    [forward] sched_yield SYS_sched_yield ();
    [forward] sched_setparam SYS_sched_setparam (int("pid"), input("param", 4, Shape::Ints));
    [forward] sched_getparam SYS_sched_getparam (int("pid"), output("param", 4, Shape::Ints));
    [forward] sched_setscheduler SYS_sched_setscheduler
        (int("pid"), flags("policy", &POLICY), input("param", 4, Shape::Ints));
    [forward] sched_getscheduler SYS_sched_getscheduler (int("pid"));
    [forward] sched_get_priority_max SYS_sched_get_priority_max (flags("policy", &POLICY));
    [forward] sched_get_priority_min SYS_sched_get_priority_min (flags("policy", &POLICY));
    [forward] sched_rr_get_interval SYS_sched_rr_get_interval
        (int("pid"), output("interval", 16, Shape::Timespec));
    [by_hand affinity::set] sched_setaffinity SYS_sched_setaffinity
        (int("pid"), unsigned("len"), input_bytes("user_mask_ptr", 1, Shape::Longs));
    [by_hand affinity::get] sched_getaffinity SYS_sched_getaffinity
        (int("pid"), unsigned("len"), output_bytes("user_mask_ptr", 1, Shape::Longs));
    [forward] sched_setattr SYS_sched_setattr
        (int("pid"), input_versioned("attr", 48), unsigned("flags"));
    [forward] sched_getattr SYS_sched_getattr
        (int("pid"), output_whole("attr", 2, Shape::Opaque), unsigned("size"), unsigned("flags"));
    [forward] getpriority SYS_getpriority (flags("which", &PRIORITY), int("who"));
    [forward] setpriority SYS_setpriority (flags("which", &PRIORITY), int("who"), int("niceval"));
    [forward] unshare SYS_unshare (wide_flags("unshare_flags", &CLONE));
    [forward] setns SYS_setns (fd("fd"), flags("nstype", &CLONE));
    [by_hand comparing::kcmp] kcmp SYS_kcmp
        (int("pid1"), int("pid2"), int("type"), size("idx1"), size("idx2"));
};
