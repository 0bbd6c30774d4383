//! Names of files: the program's own, and those that would lead to the VMM.

use crate::process::{revoked, Fake, BASE, PAGE};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

const HERE: u64 = libc::AT_FDCWD as u64;

fn with_path(path: &[u8]) -> Fake {
    let mut fake = Fake::new(16);
    fake.map_scattered(BASE, 4);
    fake.put(BASE, path);
    fake.put(BASE + path.len() as u64, &[0]);
    fake
}

#[test]
fn the_executable_is_the_program() {
    for path in [
        b"/proc/self/exe".to_vec(),
        format!("/proc/{}/exe", std::process::id()).into(),
    ] {
        let mut fake = with_path(&path);
        let to = BASE + PAGE;
        assert_eq!(fake.call(libc::SYS_readlink, &[BASE, to, 100]), 13);
        assert_eq!(fake.get(to, 13), b"/usr/bin/true");
        assert_eq!(fake.call(libc::SYS_readlinkat, &[HERE, BASE, to, 8]), 8);
        assert_eq!(fake.error(libc::SYS_readlink, &[BASE, to, 0]), libc::EINVAL);
        assert_eq!(fake.call(libc::SYS_stat, &[BASE, to]), 0);
        let size = std::fs::metadata("/usr/bin/true").unwrap().len();
        assert_eq!(fake.get_word(to + 48), size);
        // The link itself is a link.
        assert_eq!(fake.call(libc::SYS_lstat, &[BASE, to]), 0);
        assert_eq!(fake.get_word(to + 24) as u32 & libc::S_IFMT, libc::S_IFLNK);
        let nofollow = libc::AT_SYMLINK_NOFOLLOW as u64;
        assert_eq!(
            fake.call(libc::SYS_newfstatat, &[HERE, BASE, to, nofollow]),
            0
        );
        assert_eq!(fake.get_word(to + 24) as u32 & libc::S_IFMT, libc::S_IFLNK);
    }
}

#[test]
fn the_vmms_memory_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("innocent");
    std::os::unix::fs::symlink("/proc/self/mem", &link).unwrap();
    let own = format!("/proc/{}/mem", std::process::id());
    for path in [
        b"/proc/self/mem",
        own.as_bytes(),
        link.as_os_str().as_bytes(),
        b"/proc/thread-self/mem",
    ] {
        let mut fake = with_path(path);
        let flags = libc::O_RDWR as u64;
        assert_eq!(fake.error(libc::SYS_open, &[BASE, flags, 0]), libc::EACCES);
        assert_eq!(
            fake.error(libc::SYS_openat, &[HERE, BASE, flags, 0]),
            libc::EACCES
        );
    }
    let mut fake = with_path(b"/proc/self/status");
    let fd = fake.call(libc::SYS_open, &[BASE, 0, 0]);
    assert!(fd >= 0);
    assert_eq!(fake.call(libc::SYS_close, &[fd as u64]), 0);
}

#[test]
fn paths_are_read_as_far_as_they_go() {
    let mut fake = Fake::new(16);
    fake.map_pages(BASE, 1);
    let at = BASE + PAGE - 5;
    fake.put(at, b"/tmp\0");
    assert_eq!(fake.call(libc::SYS_access, &[at, 0]), 0);
    fake.put(BASE + PAGE - 1, b"x");
    assert_eq!(fake.error(libc::SYS_access, &[at, 0]), libc::EFAULT);
    fake.map_pages(BASE + PAGE, 2);
    fake.free(BASE + PAGE);
    let report = revoked("access", 1, "filename", BASE + PAGE);
    assert_eq!(fake.outcome(libc::SYS_access, &[at, 0]), report);
    let mut fake = Fake::new(16);
    fake.map_scattered(BASE, 3);
    fake.put(BASE, &[b'a'; 5000]);
    assert_eq!(fake.error(libc::SYS_access, &[BASE, 0]), libc::ENAMETOOLONG);
}

#[test]
fn directories_are_listed_across_pages() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two", "three"] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    let mut fake = with_path(folder.path().as_os_str().as_bytes());
    let flags = libc::O_DIRECTORY as u64;
    let fd = fake.call(libc::SYS_openat, &[HERE, BASE, flags, 0]) as u64;
    let at = BASE + 2 * PAGE - 40;
    let length = fake.call(libc::SYS_getdents64, &[fd, at, 2000]);
    assert!(length > 0);
    let bytes = fake.get(at, length as usize);
    for name in [&b"one\0"[..], b"two\0", b"three\0"] {
        assert!(bytes.windows(name.len()).any(|window| window == name));
    }
    assert_eq!(fake.call(libc::SYS_getdents64, &[fd, at, 2000]), 0);
    assert_eq!(fake.call(libc::SYS_close, &[fd]), 0);
}

#[test]
fn handles_name_files() {
    let mut fake = with_path(b"/usr/bin/true");
    let at = BASE + PAGE - 6;
    fake.put(at, &[0; 8]);
    // Too short a handle: the length that would do is told.
    let call = [HERE, BASE, at, BASE + 512, 0];
    let first = fake.error(libc::SYS_name_to_handle_at, &call);
    if first == libc::EOPNOTSUPP {
        return;
    }
    assert_eq!(first, libc::EOVERFLOW);
    let needed = u32::from_le_bytes(fake.get(at, 4).try_into().unwrap());
    assert!((1..=128).contains(&needed));
    assert_eq!(fake.call(libc::SYS_name_to_handle_at, &call), 0);
    fake.put(at, &1000u32.to_le_bytes());
    assert_eq!(fake.error(libc::SYS_name_to_handle_at, &call), libc::EINVAL);
}

#[test]
fn own_entries_are_those_of_the_calling_thread() {
    // As the VMM does before it runs a program: this thread leaves the table of the first one.
    std::thread::spawn(|| {
        // SAFETY: affects this thread only, which ends with the test.
        let unshared = unsafe { libc::unshare(libc::CLONE_FILES | libc::CLONE_FS) };
        assert_eq!(unshared, 0);
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(folder.path().join("own")).unwrap();
        // SAFETY: a number that the other table does not have.
        let copied = unsafe { libc::dup2(file.as_raw_fd(), 950) };
        assert_eq!(copied, 950);
        std::env::set_current_dir(folder.path()).unwrap();
        for path in [
            &b"/proc/self/fd/950"[..],
            b"/dev/fd/950",
            b"/proc/self/cwd/own",
        ] {
            let mut fake = with_path(path);
            assert_eq!(
                fake.call(libc::SYS_stat, &[BASE, BASE + PAGE]),
                0,
                "{path:?}"
            );
            assert_eq!(
                fake.get_word(BASE + PAGE + 8),
                file.metadata().unwrap().ino()
            );
        }
        let mut fake = with_path(b"/proc/self/cwd");
        let length = fake.call(libc::SYS_readlink, &[BASE, BASE + PAGE, 400]) as usize;
        assert_eq!(
            fake.get(BASE + PAGE, length),
            folder.path().as_os_str().as_bytes()
        );
    })
    .join()
    .unwrap();
}
