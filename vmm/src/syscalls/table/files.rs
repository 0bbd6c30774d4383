//! Calls that read, write and shape open files.

use super::entry::{
    address, entries, fd, flags, inout, input_bytes, input_vector, int, long, mask_pair,
    output_bytes, output_vector, path, pointer, size, unsigned, Entry, Shape,
};
use super::vocabulary::{FADVICE, FALLOCATE, LOCK, RANDOM, RWF, SPLICE, WHENCE};
use crate::syscalls::handlers::{aio, random, transfer};

/// The entries.
pub const ENTRIES: &[Entry] = entries! {
    [by_hand transfer::read] read SYS_read
        (fd("fd"), output_bytes("buf", 2, Shape::Bytes), size("count"));
    [by_hand transfer::write] write SYS_write
        (fd("fd"), input_bytes("buf", 2, Shape::Bytes), size("count"));
    [by_hand transfer::pread] pread64 SYS_pread64
        (fd("fd"), output_bytes("buf", 2, Shape::Bytes), size("count"), long("pos"));
    [by_hand transfer::pwrite] pwrite64 SYS_pwrite64
        (fd("fd"), input_bytes("buf", 2, Shape::Bytes), size("count"), long("pos"));
    [by_hand transfer::readv] readv SYS_readv (fd("fd"), output_vector("vec", 2), size("vlen"));
    [by_hand transfer::writev] writev SYS_writev (fd("fd"), input_vector("vec", 2), size("vlen"));
    [by_hand transfer::readv] preadv SYS_preadv
        (fd("fd"), output_vector("vec", 2), size("vlen"), long("pos_l"), address("pos_h"));
    [by_hand transfer::writev] pwritev SYS_pwritev
        (fd("fd"), input_vector("vec", 2), size("vlen"), long("pos_l"), address("pos_h"));
    [by_hand transfer::readv] preadv2 SYS_preadv2
        (fd("fd"), output_vector("vec", 2), size("vlen"), long("pos_l"), address("pos_h"),
         flags("flags", &RWF));
    [by_hand transfer::writev] pwritev2 SYS_pwritev2
        (fd("fd"), input_vector("vec", 2), size("vlen"), long("pos_l"), address("pos_h"),
         flags("flags", &RWF));
    [forward] lseek SYS_lseek (fd("fd"), long("offset"), flags("whence", &WHENCE));
    [by_hand transfer::guarded] sendfile SYS_sendfile
        (fd("out_fd"), fd("in_fd"), inout("offset", 8, Shape::Longs), size("count"));
    [forward] copy_file_range SYS_copy_file_range
        (fd("fd_in"), inout("off_in", 8, Shape::Longs), fd("fd_out"),
         inout("off_out", 8, Shape::Longs), size("len"), unsigned("flags"));
    [by_hand transfer::guarded] splice SYS_splice
        (fd("fd_in"), inout("off_in", 8, Shape::Longs), fd("fd_out"),
         inout("off_out", 8, Shape::Longs), size("len"), flags("flags", &SPLICE));
    [by_hand transfer::guarded] tee SYS_tee
        (fd("fdin"), fd("fdout"), size("len"), flags("flags", &SPLICE));
    [by_hand transfer::vmsplice] vmsplice SYS_vmsplice
        (fd("fd"), input_vector("iov", 2), size("nr_segs"), flags("flags", &SPLICE));
    [forward] truncate SYS_truncate (path("path"), long("length"));
    [forward] ftruncate SYS_ftruncate (fd("fd"), long("length"));
    [forward] fallocate SYS_fallocate
        (fd("fd"), flags("mode", &FALLOCATE), long("offset"), long("len"));
    [forward] fadvise64 SYS_fadvise64
        (fd("fd"), long("offset"), size("len"), flags("advice", &FADVICE));
    [forward] readahead SYS_readahead (fd("fd"), long("offset"), size("count"));
    [forward] sync SYS_sync ();
    [forward] syncfs SYS_syncfs (fd("fd"));
    [forward] fsync SYS_fsync (fd("fd"));
    [forward] fdatasync SYS_fdatasync (fd("fd"));
    [forward] sync_file_range SYS_sync_file_range
        (fd("fd"), long("offset"), long("nbytes"), unsigned("flags"));
    [forward] flock SYS_flock (fd("fd"), flags("cmd", &LOCK));
    [by_hand random::getrandom] getrandom SYS_getrandom
        (output_bytes("buf", 1, Shape::Bytes), size("count"), flags("flags", &RANDOM));
    [by_hand aio::setup] io_setup SYS_io_setup
        (unsigned("nr_reqs"), pointer("ctx", Shape::Longs));
    [by_hand aio::destroy] io_destroy SYS_io_destroy (address("ctx"));
    [by_hand aio::submit] io_submit SYS_io_submit
        (address("ctx_id"), long("nr"), pointer("iocbpp", Shape::Opaque));
    [by_hand aio::events] io_getevents SYS_io_getevents
        (address("ctx_id"), long("min_nr"), long("nr"), pointer("events", Shape::Opaque),
         pointer("timeout", Shape::Timespec));
    [by_hand aio::events_masked] io_pgetevents SYS_io_pgetevents
        (address("ctx_id"), long("min_nr"), long("nr"), pointer("events", Shape::Opaque),
         pointer("timeout", Shape::Timespec), mask_pair("usig"));
    [by_hand aio::cancel] io_cancel SYS_io_cancel
        (address("ctx_id"), pointer("iocb", Shape::Opaque), pointer("result", Shape::Opaque));
    [forward] ioprio_set SYS_ioprio_set (int("which"), int("who"), int("ioprio"));
    [forward] ioprio_get SYS_ioprio_get (int("which"), int("who"));
};
