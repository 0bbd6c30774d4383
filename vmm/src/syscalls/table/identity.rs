//! Who the process is, what it may use, and what the system is.

use super::entry::{
    entries, flags, input, input_bytes, input_items, int, output, output_bytes, output_items,
    pointer, Entry, Shape,
};
use super::vocabulary::LIMIT;
use crate::syscalls::handlers::{capabilities, limits};

/// The entries.
pub const ENTRIES: &[Entry] = entries! {
    [forward] getuid SYS_getuid ();
    [forward] geteuid SYS_geteuid ();
    [forward] getgid SYS_getgid ();
    [forward] getegid SYS_getegid ();
    [forward] setuid SYS_setuid (int("uid"));
    [forward] setgid SYS_setgid (int("gid"));
    [forward] setreuid SYS_setreuid (int("ruid"), int("euid"));
    [forward] setregid SYS_setregid (int("rgid"), int("egid"));
    [forward] setresuid SYS_setresuid (int("ruid"), int("euid"), int("suid"));
    [forward] setresgid SYS_setresgid (int("rgid"), int("egid"), int("sgid"));
    [forward] getresuid SYS_getresuid
        (output("ruid", 4, Shape::Ints), output("euid", 4, Shape::Ints),
         output("suid", 4, Shape::Ints));
    [forward] getresgid SYS_getresgid
        (output("rgid", 4, Shape::Ints), output("egid", 4, Shape::Ints),
         output("sgid", 4, Shape::Ints));
    [forward] setfsuid SYS_setfsuid (int("uid"));
    [forward] setfsgid SYS_setfsgid (int("gid"));
    [forward] getgroups SYS_getgroups
        (int("gidsetsize"), output_items("grouplist", 0, 4, Shape::Ints));
    [forward] setgroups SYS_setgroups
        (int("gidsetsize"), input_items("grouplist", 0, 4, Shape::Ints));
    [by_hand capabilities::capability] capget SYS_capget
        (pointer("header", Shape::Opaque), pointer("dataptr", Shape::Opaque));
    [by_hand capabilities::capability] capset SYS_capset
        (pointer("header", Shape::Opaque), pointer("data", Shape::Opaque));
    [by_hand limits::getrlimit] getrlimit SYS_getrlimit
        (flags("resource", &LIMIT), output("rlim", 16, Shape::Limit));
    [by_hand limits::setrlimit] setrlimit SYS_setrlimit
        (flags("resource", &LIMIT), input("rlim", 16, Shape::Limit));
    [by_hand limits::prlimit] prlimit64 SYS_prlimit64
        (int("pid"), flags("resource", &LIMIT), input("new_rlim", 16, Shape::Limit),
         output("old_rlim", 16, Shape::Limit));
    [forward] uname SYS_uname (output("name", 390, Shape::Names));
    [forward] sysinfo SYS_sysinfo (output("info", 112, Shape::Opaque));
    [forward] sethostname SYS_sethostname (input_bytes("name", 1, Shape::Bytes), int("len"));
    [forward] setdomainname SYS_setdomainname (input_bytes("name", 1, Shape::Bytes), int("len"));
    [forward] syslog SYS_syslog (int("type"), output_bytes("buf", 2, Shape::Bytes), int("len"));
    [forward] vhangup SYS_vhangup ();
};
