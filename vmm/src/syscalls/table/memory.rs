//! The address space.

use super::entry::{
    address, entries, flags, int, long, pointer, size, unsigned, wide_flags, Argument, Entry, Kind,
    Shape,
};
use super::vocabulary::{ADVICE, BARRIER, MAP, MLOCK, MLOCKALL, PROTECTION, REMAP, SYNC};
use crate::syscalls::handlers::{locking, memory, placement};

/// `mmap`'s descriptor, which counts only for file mappings.
const fn file(name: &'static str) -> Argument {
    Argument {
        name,
        kind: Kind::Int,
    }
}

/// The entries.
pub const ENTRIES: &[Entry] = entries! {
    [by_hand memory::mmap] mmap SYS_mmap
        (address("addr"), size("len"), wide_flags("prot", &PROTECTION), wide_flags("flags", &MAP),
         file("fd"), long("off"));
    [by_hand memory::munmap] munmap SYS_munmap (address("addr"), size("len"));
    [by_hand memory::mprotect] mprotect SYS_mprotect
        (address("start"), size("len"), wide_flags("prot", &PROTECTION));
    [by_hand memory::mremap] mremap SYS_mremap
        (address("addr"), size("old_len"), size("new_len"), wide_flags("flags", &REMAP),
         address("new_addr"));
    [by_hand memory::brk] brk SYS_brk (address("brk"));
    [by_hand memory::madvise] madvise SYS_madvise
        (address("start"), size("len"), flags("behavior", &ADVICE));
    [by_hand memory::mincore] mincore SYS_mincore
        (address("start"), size("len"), pointer("vec", Shape::Opaque));
    [by_hand memory::msync] msync SYS_msync
        (address("start"), size("len"), flags("flags", &SYNC));
    [by_hand locking::mlock] mlock SYS_mlock (address("start"), size("len"));
    [by_hand locking::mlock] mlock2 SYS_mlock2
        (address("start"), size("len"), flags("flags", &MLOCK));
    [by_hand locking::mlock] munlock SYS_munlock (address("start"), size("len"));
    [by_hand locking::lock_all] mlockall SYS_mlockall (flags("flags", &MLOCKALL));
    [by_hand locking::unlock_all] munlockall SYS_munlockall ();
    [forward] membarrier SYS_membarrier
        (flags("cmd", &BARRIER), flags("flags", &super::vocabulary::PLAIN), int("cpu_id"));
    [by_hand placement::bind] mbind SYS_mbind
        (address("start"), size("len"), size("mode"), pointer("nmask", Shape::Opaque),
         size("maxnode"), unsigned("flags"));
    [by_hand placement::set] set_mempolicy SYS_set_mempolicy
        (int("mode"), pointer("nmask", Shape::Opaque), size("maxnode"));
    [by_hand placement::get] get_mempolicy SYS_get_mempolicy
        (pointer("policy", Shape::Opaque), pointer("nmask", Shape::Opaque), size("maxnode"),
         address("addr"), size("flags"));
};
