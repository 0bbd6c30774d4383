//! Calls that take paths: opening, naming, attributes, file systems.

use super::entry::{
    dirfd, entries, fd, flags, input, input_bytes, int, link, mode, output, output_bytes, path,
    path_unless, pointer, size, text, unsigned, wide_flags, Entry, Shape,
};
use super::vocabulary::{
    ACCESS, AT, AT_ACCESS, INOTIFY, MOUNT, OPEN, RENAME, STATX, UMOUNT, WATCH, XATTR,
};
use crate::syscalls::handlers::{handles, listing, mounting, paths};

/// The entries.
pub const ENTRIES: &[Entry] = entries! {
    [by_hand paths::open] open SYS_open (path("filename"), flags("flags", &OPEN), mode("mode"));
    [by_hand paths::open] openat SYS_openat
        (dirfd("dfd"), path("filename"), flags("flags", &OPEN), mode("mode"));
    [by_hand paths::open] openat2 SYS_openat2
        (dirfd("dfd"), path("filename"), input_bytes("how", 3, Shape::Longs), size("size"));
    [by_hand paths::open] creat SYS_creat (path("pathname"), mode("mode"));
    [forward] stat SYS_stat (path("filename"), output("statbuf", 144, Shape::Stat));
    [forward] fstat SYS_fstat (fd("fd"), output("statbuf", 144, Shape::Stat));
    [forward] lstat SYS_lstat (link("filename"), output("statbuf", 144, Shape::Stat));
    [forward] newfstatat SYS_newfstatat
        (dirfd("dfd"), path_unless("filename", 3), output("statbuf", 144, Shape::Stat),
         flags("flag", &AT));
    [forward] statx SYS_statx
        (dirfd("dfd"), path_unless("path", 2), flags("flags", &AT), flags("mask", &STATX),
         output("buffer", 256, Shape::Statx));
    [forward] statfs SYS_statfs (path("path"), output("buf", 120, Shape::Statfs));
    [forward] fstatfs SYS_fstatfs (fd("fd"), output("buf", 120, Shape::Statfs));
    [forward] ustat SYS_ustat (unsigned("dev"), output("ubuf", 32, Shape::Opaque));
    [forward] access SYS_access (path("filename"), flags("mode", &ACCESS));
    [forward] faccessat SYS_faccessat (dirfd("dfd"), path("filename"), flags("mode", &ACCESS));
    [forward] faccessat2 SYS_faccessat2
        (dirfd("dfd"), path_unless("filename", 3), flags("mode", &ACCESS),
         flags("flags", &AT_ACCESS));
    [by_hand paths::readlink] readlink SYS_readlink
        (link("path"), output_bytes("buf", 2, Shape::Bytes), int("bufsiz"));
    [by_hand paths::readlink] readlinkat SYS_readlinkat
        (dirfd("dfd"), link("path"), output_bytes("buf", 3, Shape::Bytes), int("bufsiz"));
    [forward] getcwd SYS_getcwd (output_bytes("buf", 1, Shape::Bytes), size("size"));
    [forward] chdir SYS_chdir (path("filename"));
    [forward] fchdir SYS_fchdir (fd("fd"));
    [forward] chroot SYS_chroot (path("filename"));
    [forward] mkdir SYS_mkdir (link("pathname"), mode("mode"));
    [forward] mkdirat SYS_mkdirat (dirfd("dfd"), link("pathname"), mode("mode"));
    [forward] rmdir SYS_rmdir (link("pathname"));
    [forward] unlink SYS_unlink (link("pathname"));
    [forward] unlinkat SYS_unlinkat (dirfd("dfd"), link("pathname"), flags("flag", &AT));
    [forward] rename SYS_rename (link("oldname"), link("newname"));
    [forward] renameat SYS_renameat
        (dirfd("olddfd"), link("oldname"), dirfd("newdfd"), link("newname"));
    [forward] renameat2 SYS_renameat2
        (dirfd("olddfd"), link("oldname"), dirfd("newdfd"), link("newname"),
         flags("flags", &RENAME));
    [forward] link SYS_link (link("oldname"), link("newname"));
    [forward] linkat SYS_linkat
        (dirfd("olddfd"), link("oldname"), dirfd("newdfd"), link("newname"), flags("flags", &AT));
    [forward] symlink SYS_symlink (link("old"), link("new"));
    [forward] symlinkat SYS_symlinkat (link("oldname"), dirfd("newdfd"), link("newname"));
    [forward] mknod SYS_mknod (link("filename"), mode("mode"), unsigned("dev"));
    [forward] mknodat SYS_mknodat (dirfd("dfd"), link("filename"), mode("mode"), unsigned("dev"));
    [forward] chmod SYS_chmod (path("filename"), mode("mode"));
    [forward] fchmod SYS_fchmod (fd("fd"), mode("mode"));
    [forward] fchmodat SYS_fchmodat (dirfd("dfd"), path("filename"), mode("mode"));
    [forward] fchmodat2 SYS_fchmodat2
        (dirfd("dfd"), path_unless("filename", 3), mode("mode"), flags("flags", &AT));
    [forward] chown SYS_chown (path("filename"), int("user"), int("group"));
    [forward] fchown SYS_fchown (fd("fd"), int("user"), int("group"));
    [forward] lchown SYS_lchown (link("filename"), int("user"), int("group"));
    [forward] fchownat SYS_fchownat
        (dirfd("dfd"), path_unless("filename", 4), int("user"), int("group"), flags("flag", &AT));
    [forward] utime SYS_utime (path("filename"), input("times", 16, Shape::Longs));
    [forward] utimes SYS_utimes (path("filename"), input("utimes", 32, Shape::Timeval));
    [forward] futimesat SYS_futimesat
        (dirfd("dfd"), path("filename"), input("utimes", 32, Shape::Timeval));
    [forward] utimensat SYS_utimensat
        (dirfd("dfd"), path_unless("filename", 3), input("utimes", 32, Shape::Timespec),
         flags("flags", &AT));
    [by_hand listing::getdents] getdents SYS_getdents
        (fd("fd"), output_bytes("dirent", 2, Shape::Opaque), unsigned("count"));
    [by_hand listing::getdents] getdents64 SYS_getdents64
        (fd("fd"), output_bytes("dirent", 2, Shape::DirectoryEntries), unsigned("count"));
    [forward] umask SYS_umask (mode("mask"));
    [forward] setxattr SYS_setxattr
        (path("path"), text("name"), input_bytes("value", 3, Shape::Bytes), size("size"),
         flags("flags", &XATTR));
    [forward] lsetxattr SYS_lsetxattr
        (link("path"), text("name"), input_bytes("value", 3, Shape::Bytes), size("size"),
         flags("flags", &XATTR));
    [forward] fsetxattr SYS_fsetxattr
        (fd("fd"), text("name"), input_bytes("value", 3, Shape::Bytes), size("size"),
         flags("flags", &XATTR));
    [forward] getxattr SYS_getxattr
        (path("path"), text("name"), output_bytes("value", 3, Shape::Bytes), size("size"));
    [forward] lgetxattr SYS_lgetxattr
        (link("path"), text("name"), output_bytes("value", 3, Shape::Bytes), size("size"));
    [forward] fgetxattr SYS_fgetxattr
        (fd("fd"), text("name"), output_bytes("value", 3, Shape::Bytes), size("size"));
    [forward] listxattr SYS_listxattr
        (path("path"), output_bytes("list", 2, Shape::Bytes), size("size"));
    [forward] llistxattr SYS_llistxattr
        (link("path"), output_bytes("list", 2, Shape::Bytes), size("size"));
    [forward] flistxattr SYS_flistxattr
        (fd("fd"), output_bytes("list", 2, Shape::Bytes), size("size"));
    [forward] removexattr SYS_removexattr (path("path"), text("name"));
    [forward] lremovexattr SYS_lremovexattr (link("path"), text("name"));
    [forward] fremovexattr SYS_fremovexattr (fd("fd"), text("name"));
    [by_hand handles::name_to_handle] name_to_handle_at SYS_name_to_handle_at
        (dirfd("dfd"), link("name"), pointer("handle", Shape::Opaque),
         output("mnt_id", 4, Shape::Ints), flags("flag", &AT));
    [by_hand handles::open_by_handle] open_by_handle_at SYS_open_by_handle_at
        (dirfd("mountdirfd"), pointer("handle", Shape::Opaque), flags("flags", &OPEN));
    [by_hand mounting::mount] mount SYS_mount
        (link("dev_name"), path("dir_name"), text("type"), wide_flags("flags", &MOUNT),
         pointer("data", Shape::Opaque));
    [forward] open_tree SYS_open_tree (dirfd("dfd"), path("path"), unsigned("flags"));
    [forward] move_mount SYS_move_mount
        (dirfd("from_dfd"), path("from_path"), dirfd("to_dfd"), path("to_path"),
         unsigned("ms_flags"));
    [forward] fsopen SYS_fsopen (text("fs_name"), unsigned("flags"));
    [by_hand mounting::fsconfig] fsconfig SYS_fsconfig
        (fd("fs_fd"), unsigned("cmd"), text("key"), pointer("value", Shape::Opaque), int("aux"));
    [forward] fsmount SYS_fsmount (fd("fs_fd"), unsigned("flags"), unsigned("ms_flags"));
    [forward] fspick SYS_fspick (dirfd("dfd"), path("path"), unsigned("flags"));
    [forward] mount_setattr SYS_mount_setattr
        (dirfd("dfd"), path("path"), unsigned("flags"), input_bytes("uattr", 4, Shape::Opaque),
         size("usize"));
    [forward] umount2 SYS_umount2 (path("name"), flags("flags", &UMOUNT));
    [forward] pivot_root SYS_pivot_root (path("new_root"), path("put_old"));
    [forward] swapon SYS_swapon (path("specialfile"), int("swap_flags"));
    [forward] swapoff SYS_swapoff (path("specialfile"));
    [forward] acct SYS_acct (path("name"));
    [forward] inotify_init SYS_inotify_init ();
    [forward] inotify_init1 SYS_inotify_init1 (flags("flags", &INOTIFY));
    [forward] inotify_add_watch SYS_inotify_add_watch
        (fd("fd"), path("path"), flags("mask", &WATCH));
    [forward] inotify_rm_watch SYS_inotify_rm_watch (fd("fd"), int("wd"));
};
