//! Calls that are not served, each with the error it gives and why.

use super::entry::{
    address, entries, fd, int, long, pointer, size, text, unsigned, wide_flags, Entry, Shape,
};
use super::entry::{link, path};
use super::vocabulary::PROTECTION;

const OPAQUE: Shape = Shape::Opaque;

/// The entries.
pub const ENTRIES: &[Entry] = entries! {
    [refuse ENOSYS "the host kernel cannot restart the guest's sequences"] rseq SYS_rseq
        (pointer("rseq", OPAQUE), unsigned("rseq_len"), int("flags"), unsigned("sig"));
    [refuse ENOSYS "a call is never left half done"] restart_syscall SYS_restart_syscall ();
    [refuse EPERM "a tracer would see the VMM, not the program"] ptrace SYS_ptrace
        (long("request"), long("pid"), address("addr"), address("data"));
    [refuse ENOSYS "it would act on the memory of the VMM"] process_madvise SYS_process_madvise
        (fd("pidfd"), pointer("vec", OPAQUE), size("vlen"), int("behavior"), unsigned("flags"));
    [refuse ENOSYS "it would act on the memory of the VMM"] process_mrelease SYS_process_mrelease
        (fd("pidfd"), unsigned("flags"));
    [refuse EPERM "it could take the VMM's own descriptors"] pidfd_getfd SYS_pidfd_getfd
        (fd("pidfd"), fd("fd"), unsigned("flags"));
    [refuse ENOSYS "requests hold pointers that the kernel follows later"] io_uring_setup
        SYS_io_uring_setup (unsigned("entries"), pointer("params", OPAQUE));
    [refuse ENOSYS "requests hold pointers that the kernel follows later"] io_uring_enter
        SYS_io_uring_enter
        (fd("fd"), unsigned("to_submit"), unsigned("min_complete"), unsigned("flags"),
         pointer("argp", OPAQUE), size("argsz"));
    [refuse ENOSYS "requests hold pointers that the kernel follows later"] io_uring_register
        SYS_io_uring_register
        (fd("fd"), unsigned("op"), pointer("arg", OPAQUE), unsigned("nr_args"));
    [refuse ENOSYS "the guest's pages have no keys"] pkey_alloc SYS_pkey_alloc
        (size("flags"), size("init_val"));
    [refuse ENOSYS "the guest's pages have no keys"] pkey_free SYS_pkey_free (int("pkey"));
    [refuse ENOSYS "the guest's pages have no keys"] pkey_mprotect SYS_pkey_mprotect
        (address("start"), size("len"), wide_flags("prot", &PROTECTION), int("pkey"));
    [refuse ENOSYS "deprecated; mmap does the same"] remap_file_pages SYS_remap_file_pages
        (address("start"), size("size"), wide_flags("prot", &PROTECTION), size("pgoff"),
         size("flags"));
    [refuse ENOSYS "placement on nodes is the host's"] set_mempolicy_home_node
        SYS_set_mempolicy_home_node
        (address("start"), size("len"), size("home_node"), size("flags"));
    [refuse ENOSYS "placement on nodes is the host's"] migrate_pages SYS_migrate_pages
        (int("pid"), size("maxnode"), pointer("from", OPAQUE), pointer("to", OPAQUE));
    [refuse ENOSYS "placement on nodes is the host's"] move_pages SYS_move_pages
        (int("pid"), size("nr_pages"), pointer("pages", OPAQUE), pointer("nodes", OPAQUE),
         pointer("status", OPAQUE), int("flags"));
    [refuse EPERM "it would register the memory of the VMM"] userfaultfd SYS_userfaultfd
        (int("flags"));
    [refuse EACCES "it would measure the VMM"] perf_event_open SYS_perf_event_open
        (pointer("attr_uptr", OPAQUE), int("pid"), int("cpu"), int("group_fd"), size("flags"));
    [refuse EPERM "its commands hold pointers that the kernel follows"] bpf SYS_bpf
        (int("cmd"), pointer("attr", OPAQUE), unsigned("size"));
    [refuse EOPNOTSUPP "a rule set would confine the VMM's own thread"] landlock_create_ruleset
        SYS_landlock_create_ruleset
        (pointer("attr", OPAQUE), size("size"), unsigned("flags"));
    [refuse EOPNOTSUPP "a rule set would confine the VMM's own thread"] landlock_add_rule
        SYS_landlock_add_rule
        (fd("ruleset_fd"), int("rule_type"), pointer("rule_attr", OPAQUE), unsigned("flags"));
    [refuse EOPNOTSUPP "a rule set would confine the VMM's own thread"] landlock_restrict_self
        SYS_landlock_restrict_self (fd("ruleset_fd"), unsigned("flags"));
    [refuse ENOSYS "its structure depends on the command"] quotactl SYS_quotactl
        (unsigned("cmd"), path("special"), int("id"), pointer("addr", OPAQUE));
    [refuse ENOSYS "its structure depends on the command"] quotactl_fd SYS_quotactl_fd
        (fd("fd"), unsigned("cmd"), int("id"), pointer("addr", OPAQUE));
    [refuse EPERM "its events hold descriptors that the host kernel opens"] fanotify_init
        SYS_fanotify_init (unsigned("flags"), unsigned("event_f_flags"));
    [refuse EPERM "its events hold descriptors that the host kernel opens"] fanotify_mark
        SYS_fanotify_mark
        (fd("fanotify_fd"), unsigned("flags"), address("mask"), fd("fd"), path("pathname"));
    [refuse ENOSYS "its result depends on the option"] sysfs SYS_sysfs
        (int("option"), address("arg1"), address("arg2"));
    [refuse ENOSYS "removed from Linux"] uselib SYS_uselib (path("library"));
    [refuse ENOSYS "removed from Linux"] _sysctl SYS__sysctl (pointer("args", OPAQUE));
    [refuse EPERM "the host is not the program's to restart"] reboot SYS_reboot
        (int("magic1"), int("magic2"), unsigned("cmd"), pointer("arg", OPAQUE));
    [refuse EPERM "the host is not the program's to restart"] kexec_load SYS_kexec_load
        (address("entry"), size("nr_segments"), pointer("segments", OPAQUE), size("flags"));
    [refuse EPERM "the host is not the program's to restart"] kexec_file_load SYS_kexec_file_load
        (fd("kernel_fd"), fd("initrd_fd"), size("cmdline_len"), pointer("cmdline_ptr", OPAQUE),
         size("flags"));
    [refuse EPERM "the host's kernel is not the program's to change"] init_module SYS_init_module
        (pointer("umod", OPAQUE), size("len"), text("uargs"));
    [refuse EPERM "the host's kernel is not the program's to change"] finit_module SYS_finit_module
        (fd("fd"), text("uargs"), int("flags"));
    [refuse EPERM "the host's kernel is not the program's to change"] delete_module
        SYS_delete_module (link("name_user"), unsigned("flags"));
    [refuse EPERM "ports are the host's"] iopl SYS_iopl (unsigned("level"));
    [refuse EPERM "ports are the host's"] ioperm SYS_ioperm (size("from"), size("num"), int("on"));
    [refuse ENOSYS "segments are the machine's"] modify_ldt SYS_modify_ldt
        (int("func"), pointer("ptr", OPAQUE), size("bytecount"));
    [refuse ENOSYS "a directory cookie names no file by path"] lookup_dcookie SYS_lookup_dcookie
        (address("cookie64"), pointer("buf", OPAQUE), size("len"));
};
