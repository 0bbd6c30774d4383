//! Descriptors: the VMM's own are not there, and calls that wait for the program's.

use crate::process::{revoked, Fake, BASE, PAGE};
use std::os::fd::{AsRawFd, IntoRawFd};

/// A pipe of the program: its reading and its writing end.
fn pipe(fake: &mut Fake) -> (u64, u64) {
    assert_eq!(fake.call(libc::SYS_pipe2, &[BASE, 0]), 0);
    let ends = fake.get_word(BASE);
    (ends & 0xffff_ffff, ends >> 32)
}

#[test]
fn the_vmms_descriptors_are_not_open() {
    let mut fake = Fake::new(8);
    fake.map_pages(BASE, 2);
    let file = tempfile::tempfile().unwrap();
    let fd = file.as_raw_fd();
    fake.hidden.insert(fd);
    let fd = fd as u64;
    for (number, arguments) in [
        (libc::SYS_read, vec![fd, BASE, 1]),
        (libc::SYS_writev, vec![fd, BASE, 0]),
        (libc::SYS_close, vec![fd]),
        (libc::SYS_dup, vec![fd]),
        (libc::SYS_dup2, vec![1, fd]),
        (libc::SYS_fstat, vec![fd, BASE]),
        (libc::SYS_fcntl, vec![fd, libc::F_GETFD as u64, 0]),
        (libc::SYS_ioctl, vec![fd, libc::FIOCLEX, 0]),
        (libc::SYS_mmap, vec![0, 4096, 1, 2, fd, 0]),
        (libc::SYS_fchdir, vec![fd]),
        (libc::SYS_fsync, vec![fd]),
    ] {
        assert_eq!(fake.error(number, &arguments), libc::EBADF, "{number}");
    }
    let path = format!("/proc/self/fd/{fd}\0");
    fake.put(BASE, path.as_bytes());
    let here = libc::AT_FDCWD as u64;
    assert_eq!(
        fake.error(libc::SYS_openat, &[here, BASE, 0, 0]),
        libc::ENOENT
    );
    // It is still open.
    file.metadata().unwrap();
}

#[test]
fn poll_and_select_do_not_see_them() {
    let mut fake = Fake::new(8);
    fake.map_pages(BASE, 2);
    let (read, write) = pipe(&mut fake);
    let file = tempfile::tempfile().unwrap();
    let hidden = file.as_raw_fd() as u64;
    fake.hidden.insert(file.as_raw_fd());
    let item = |fd: u64, events: i16| fd | (events as u64) << 32;
    let items = [
        item(read, libc::POLLIN),
        item(hidden, libc::POLLIN),
        item(write, libc::POLLOUT),
    ];
    fake.put_words(BASE, &items);
    assert_eq!(fake.call(libc::SYS_poll, &[BASE, 3, u64::MAX]), 2);
    assert_eq!(fake.get_word(BASE), items[0]);
    assert_eq!(
        fake.get_word(BASE + 8),
        items[1] | (libc::POLLNVAL as u64) << 48
    );
    assert_eq!(
        fake.get_word(BASE + 16),
        items[2] | (libc::POLLOUT as u64) << 48
    );
    fake.put_words(BASE, &[1 << write, 0, 0]);
    if write < 64 {
        let count = write + 1;
        assert_eq!(
            fake.call(libc::SYS_select, &[count, 0, BASE, 0, BASE + 8]),
            1
        );
        assert_eq!(fake.get_word(BASE), 1 << write);
        fake.put_words(BASE, &[1 << hidden]);
        let count = hidden + 1;
        assert_eq!(
            fake.error(libc::SYS_select, &[count, BASE, 0, 0, 0]),
            libc::EBADF
        );
    }
    for end in [read, write] {
        assert_eq!(fake.call(libc::SYS_close, &[end]), 0);
    }
}

#[test]
fn poll_arrays_across_pages_and_freed() {
    let mut fake = Fake::new(8);
    fake.map_scattered(BASE, 3);
    let (read, write) = pipe(&mut fake);
    let at = BASE + PAGE - 4;
    fake.put_words(at, &[write | (libc::POLLOUT as u64) << 32]);
    assert_eq!(fake.call(libc::SYS_poll, &[at, 1, 0]), 1);
    assert_eq!(fake.get_word(at) >> 48, libc::POLLOUT as u64);
    fake.put_words(BASE, &[0, 1_000_000]);
    assert_eq!(fake.call(libc::SYS_ppoll, &[0, 0, BASE, 0, 8]), 0);
    assert_eq!(
        fake.error(libc::SYS_poll, &[BASE, u64::from(u32::MAX), 0]),
        libc::EINVAL
    );
    fake.free(BASE + 2 * PAGE);
    let report = revoked("poll", 1, "ufds", BASE + 2 * PAGE);
    assert_eq!(
        fake.outcome(libc::SYS_poll, &[BASE + 2 * PAGE, 1, 0]),
        report
    );
    for end in [read, write] {
        assert_eq!(fake.call(libc::SYS_close, &[end]), 0);
    }
}

#[test]
fn epoll_gives_back_its_events() {
    let mut fake = Fake::new(8);
    fake.map_scattered(BASE, 2);
    let (read, write) = pipe(&mut fake);
    let epoll = fake.call(libc::SYS_epoll_create1, &[0]) as u64;
    let at = BASE + PAGE - 6;
    fake.put(at, &(libc::EPOLLOUT as u32).to_le_bytes());
    fake.put_words(at + 4, &[0x1234_5678_9abc]);
    assert_eq!(fake.call(libc::SYS_epoll_ctl, &[epoll, 1, write, at]), 0);
    fake.put(at, &[0; 12]);
    assert_eq!(fake.call(libc::SYS_epoll_wait, &[epoll, at, 16, 0]), 1);
    assert_eq!(fake.get_word(at + 4), 0x1234_5678_9abc);
    assert_eq!(
        fake.error(libc::SYS_epoll_wait, &[epoll, at, 0, 0]),
        libc::EINVAL
    );
    for end in [read, write, epoll] {
        assert_eq!(fake.call(libc::SYS_close, &[end]), 0);
    }
}

#[test]
fn closing_a_range_passes_over_them() {
    let mut fake = Fake::new(4);
    let file = tempfile::tempfile().unwrap();
    // Numbers that no other test is given.
    let numbers = 900..906;
    for number in numbers.clone() {
        // SAFETY: the numbers are free, and closed below.
        assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), number) }, number);
    }
    fake.hidden.extend([900, 903]);
    assert_eq!(fake.call(libc::SYS_close_range, &[900, 905, 0]), 0);
    for number in numbers {
        // SAFETY: only asks for the flags of a descriptor.
        let open = unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
        assert_eq!(open, number == 900 || number == 903, "{number}");
    }
    for number in [900, 903] {
        // SAFETY: ours, from above.
        unsafe { libc::close(number) };
    }
    assert_eq!(
        fake.error(libc::SYS_close_range, &[905, 900, 0]),
        libc::EINVAL
    );
}

#[test]
fn commands_take_what_their_numbers_say() {
    // libc has no name for it.
    const F_SETSIG: u64 = 10;
    let mut fake = Fake::new(8);
    fake.map_scattered(BASE, 2);
    let (read, write) = pipe(&mut fake);
    assert_eq!(fake.call(libc::SYS_write, &[write, BASE, 5]), 5);
    assert_eq!(
        fake.call(libc::SYS_ioctl, &[read, libc::FIONREAD, BASE + PAGE - 2]),
        0
    );
    assert_eq!(fake.get(BASE + PAGE - 2, 4), 5u32.to_le_bytes());
    assert_eq!(
        fake.error(libc::SYS_ioctl, &[read, libc::TCGETS, BASE]),
        libc::ENOTTY
    );
    assert_eq!(
        fake.error(libc::SYS_ioctl, &[read, 0xae01, 0]),
        libc::ENOTTY
    );
    assert_eq!(fake.error(libc::SYS_ioctl, &[999, 0xae01, 0]), libc::EBADF);
    assert_eq!(
        fake.error(libc::SYS_ioctl, &[read, libc::FIONREAD, 0]),
        libc::EFAULT
    );
    let file = tempfile::tempfile().unwrap().into_raw_fd() as u64;
    let at = BASE + PAGE - 16;
    fake.put(at, &[0; 32]);
    fake.put(at, &(libc::F_WRLCK as u16).to_le_bytes());
    assert_eq!(
        fake.call(libc::SYS_fcntl, &[file, libc::F_SETLK as u64, at]),
        0
    );
    assert_eq!(
        fake.call(libc::SYS_fcntl, &[file, libc::F_GETLK as u64, at]),
        0
    );
    assert_eq!(fake.get(at, 2), (libc::F_UNLCK as u16).to_le_bytes());
    let flags = libc::O_ASYNC as u64;
    assert_eq!(
        fake.error(libc::SYS_fcntl, &[file, libc::F_SETFL as u64, flags]),
        libc::EINVAL
    );
    assert_eq!(
        fake.error(libc::SYS_fcntl, &[file, F_SETSIG, 40]),
        libc::EINVAL
    );
    assert_eq!(fake.call(libc::SYS_fcntl, &[file, F_SETSIG + 1, 0]), 0);
    assert_eq!(fake.error(libc::SYS_fcntl, &[file, 99, 3]), libc::EINVAL);
    for end in [read, write, file] {
        assert_eq!(fake.call(libc::SYS_close, &[end]), 0);
    }
}
