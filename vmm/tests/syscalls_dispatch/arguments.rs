//! Structures, strings and sizes: staged and collected.

use crate::process::{revoked, Fake, BASE, PAGE};

#[test]
fn structures_across_pages_are_copied() {
    let mut fake = Fake::new(16);
    fake.map_scattered(BASE, 2);
    let at = BASE + PAGE - 7;
    assert_eq!(
        fake.call(libc::SYS_clock_gettime, &[libc::CLOCK_REALTIME as u64, at]),
        0
    );
    assert!(fake.get_word(at) > 1_600_000_000);
    assert_eq!(fake.call(libc::SYS_uname, &[BASE + PAGE - 100]), 0);
    assert!(fake.get(BASE + PAGE - 100, 5).starts_with(b"Linux"));
    assert_eq!(
        fake.error(libc::SYS_uname, &[BASE + 2 * PAGE - 100]),
        libc::EFAULT
    );
    let report = revoked("uname", 1, "name", BASE + PAGE);
    fake.free(BASE + PAGE);
    assert_eq!(fake.outcome(libc::SYS_uname, &[BASE + PAGE - 100]), report);
}

#[test]
fn null_means_what_the_kernel_says() {
    let mut fake = Fake::new(4);
    assert!(fake.call(libc::SYS_time, &[0]) > 0);
    assert_eq!(fake.error(libc::SYS_uname, &[0]), libc::EFAULT);
    assert_eq!(fake.call(libc::SYS_gettimeofday, &[0, 0]), 0);
    assert_eq!(fake.error(libc::SYS_chdir, &[0]), libc::EFAULT);
}

#[test]
fn a_result_may_end_before_unmapped_memory() {
    let mut fake = Fake::new(8);
    fake.map_pages(BASE, 1);
    fake.put(BASE, b"/proc/self/cwd\0");
    let here = std::env::current_dir().unwrap();
    let here = here.as_os_str().as_encoded_bytes();
    let at = BASE + PAGE - here.len() as u64;
    // The buffer is said to be longer than what is mapped, but what is written fits.
    assert_eq!(
        fake.call(libc::SYS_readlink, &[BASE, at, 4096]),
        here.len() as i64
    );
    assert_eq!(fake.get(at, here.len()), here);
    assert_eq!(
        fake.error(libc::SYS_readlink, &[BASE, BASE + PAGE, 4096]),
        libc::EFAULT
    );
    assert_eq!(
        fake.error(libc::SYS_readlink, &[BASE, at, u64::from(u32::MAX)]),
        libc::EINVAL
    );
}

#[test]
fn groups_are_counted_and_listed() {
    let mut fake = Fake::new(8);
    fake.map_scattered(BASE, 2);
    let count = fake.call(libc::SYS_getgroups, &[0, 0]);
    assert!(count >= 0);
    assert_eq!(
        fake.call(libc::SYS_getgroups, &[64, BASE + PAGE - 2]),
        count
    );
}

#[test]
fn a_size_is_read_once_and_bounds_what_is_written() {
    let mut fake = Fake::new(8);
    fake.map_pages(BASE, 1);
    assert_eq!(fake.call(libc::SYS_socketpair, &[1, 1, 0, BASE]), 0);
    let ends = fake.get_word(BASE);
    let (left, right) = (ends & 0xffff_ffff, ends >> 32);
    fake.put_words(BASE, &[u64::MAX, u64::MAX, 1]);
    // One byte of the address is asked for; its whole length is told.
    assert_eq!(
        fake.call(libc::SYS_getsockname, &[left, BASE, BASE + 16]),
        0
    );
    assert_eq!(fake.get_word(BASE) >> 8, u64::MAX >> 8);
    assert_eq!(fake.get_word(BASE + 16), 2);
    fake.put_words(BASE + 16, &[u64::from(u32::MAX)]);
    assert_eq!(
        fake.error(libc::SYS_getsockname, &[left, BASE, BASE + 16]),
        libc::EINVAL
    );
    assert_eq!(
        fake.error(libc::SYS_getsockname, &[left, BASE, BASE + PAGE]),
        libc::EFAULT
    );
    fake.put_words(BASE + 16, &[16]);
    assert_eq!(
        fake.error(libc::SYS_getsockname, &[left, BASE + PAGE, BASE + 16]),
        libc::EFAULT
    );
    for end in [left, right] {
        assert_eq!(fake.call(libc::SYS_close, &[end]), 0);
    }
}

#[test]
fn limits_on_memory_are_the_programs_alone() {
    let mut fake = Fake::new(4);
    fake.map_pages(BASE, 1);
    let resource = u64::from(libc::RLIMIT_AS);
    fake.put_words(BASE, &[1 << 20, 1 << 30]);
    assert_eq!(fake.call(libc::SYS_setrlimit, &[resource, BASE]), 0);
    assert_eq!(
        fake.call(libc::SYS_prlimit64, &[0, resource, 0, BASE + 16]),
        0
    );
    assert_eq!(fake.get_word(BASE + 16), 1 << 20);
    assert_eq!(fake.get_word(BASE + 24), 1 << 30);
    fake.put_words(BASE, &[2, 1]);
    assert_eq!(
        fake.error(libc::SYS_setrlimit, &[resource, BASE]),
        libc::EINVAL
    );
    let mut own = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel writes one `rlimit`.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut own) }, 0);
    assert_ne!(own.rlim_cur, 1 << 20);
}

#[test]
fn a_thread_tells_of_itself() {
    let mut fake = Fake::new(4);
    fake.map_pages(BASE, 1);
    assert_eq!(fake.call(libc::SYS_arch_prctl, &[0x1002, 0x1234_5000]), 0);
    assert_eq!(fake.call(libc::SYS_arch_prctl, &[0x1003, BASE]), 0);
    assert_eq!(fake.get_word(BASE), 0x1234_5000);
    assert_eq!(
        fake.error(libc::SYS_arch_prctl, &[0x1002, 1 << 60]),
        libc::EPERM
    );
    assert_eq!(fake.error(libc::SYS_arch_prctl, &[0x1001, 0]), libc::EPERM);
    let thread = fake.call(libc::SYS_gettid, &[]);
    assert_eq!(fake.call(libc::SYS_set_tid_address, &[BASE + 8]), thread);
    assert_eq!(fake.call(libc::SYS_set_robust_list, &[BASE + 32, 24]), 0);
    assert_eq!(
        fake.error(libc::SYS_set_robust_list, &[BASE + 32, 25]),
        libc::EINVAL
    );
    assert_eq!(
        fake.call(libc::SYS_get_robust_list, &[0, BASE, BASE + 8]),
        0
    );
    assert_eq!(
        (fake.get_word(BASE), fake.get_word(BASE + 8)),
        (BASE + 32, 24)
    );
    fake.put(BASE, b"a name longer than fits\0");
    assert_eq!(
        fake.call(libc::SYS_prctl, &[libc::PR_SET_NAME as u64, BASE]),
        0
    );
    assert_eq!(
        fake.call(libc::SYS_prctl, &[libc::PR_GET_NAME as u64, BASE + 64]),
        0
    );
    assert_eq!(fake.get(BASE + 64, 16), b"a name longer t\0");
    assert_eq!(
        fake.error(libc::SYS_prctl, &[libc::PR_SET_MM as u64, 1, 2, 3, 4]),
        libc::EPERM
    );
}

#[test]
fn a_futex_waits_on_its_word() {
    let mut fake = Fake::new(4);
    fake.map_pages(BASE, 2);
    fake.put_words(BASE, &[7, 0, 1_000_000]);
    let wait = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as u64;
    let wake = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as u64;
    assert_eq!(
        fake.error(libc::SYS_futex, &[BASE, wait, 8, 0, 0, 0]),
        libc::EAGAIN
    );
    assert_eq!(
        fake.error(libc::SYS_futex, &[BASE, wait, 7, BASE + 8, 0, 0]),
        libc::ETIMEDOUT
    );
    assert_eq!(fake.call(libc::SYS_futex, &[BASE, wake, 1, 0, 0, 0]), 0);
    assert_eq!(
        fake.error(libc::SYS_futex, &[BASE + 1, wake, 1, 0, 0, 0]),
        libc::EINVAL
    );
    assert_eq!(
        fake.error(libc::SYS_futex, &[BASE + 2 * PAGE, wait, 1, 0, 0, 0]),
        libc::EFAULT
    );
    fake.free(BASE + PAGE);
    let report = revoked("futex", 1, "uaddr", BASE + PAGE);
    assert_eq!(
        fake.outcome(libc::SYS_futex, &[BASE + PAGE, wait, 1, 0, 0, 0]),
        report
    );
}

#[test]
fn residence_is_that_of_the_host() {
    let mut fake = Fake::new(8);
    fake.map_pages(BASE, 3);
    fake.put(BASE, b"touched");
    fake.put(BASE + 2 * PAGE, &[9; 8]);
    assert_eq!(
        fake.call(libc::SYS_mincore, &[BASE, 2 * PAGE, BASE + 2 * PAGE]),
        0
    );
    assert_eq!(fake.get(BASE + 2 * PAGE, 3), [1, 0, 9]);
    assert_eq!(
        fake.error(libc::SYS_mincore, &[BASE + 1, PAGE, BASE]),
        libc::EINVAL
    );
    assert_eq!(
        fake.error(libc::SYS_mincore, &[BASE, 4 * PAGE, BASE]),
        libc::ENOMEM
    );
    assert_eq!(
        fake.error(libc::SYS_msync, &[BASE, 4 * PAGE, 4]),
        libc::ENOMEM
    );
    assert_eq!(fake.call(libc::SYS_msync, &[BASE, 3 * PAGE, 4]), 0);
}

#[test]
fn unknown_and_refused_calls_say_so() {
    let mut fake = Fake::new(4);
    assert_eq!(fake.error(10_000, &[]), libc::ENOSYS);
    assert_eq!(fake.error(-1, &[]), libc::ENOSYS);
    assert_eq!(
        fake.error(libc::SYS_io_uring_setup, &[1, BASE]),
        libc::ENOSYS
    );
    assert_eq!(fake.error(libc::SYS_ptrace, &[0, 0, 0, 0]), libc::EPERM);
    // Linux looks at the low half of the number.
    assert!(fake.call(libc::SYS_getpid | 0x7777_0000_0000_0000, &[]) > 0);
}

#[test]
fn messages_and_semaphores_of_system_v() {
    let mut fake = Fake::new(8);
    fake.map_scattered(BASE, 2);
    let queue = fake.call(libc::SYS_msgget, &[libc::IPC_PRIVATE as u64, 0o600]) as u64;
    let at = BASE + PAGE - 10;
    fake.put_words(at, &[5]);
    fake.put(at + 8, b"text");
    assert_eq!(fake.call(libc::SYS_msgsnd, &[queue, at, 4, 0]), 0);
    fake.put(at, &[0; 12]);
    assert_eq!(fake.call(libc::SYS_msgrcv, &[queue, at, 100, 0, 0]), 4);
    assert_eq!(
        (fake.get_word(at), fake.get(at + 8, 4)),
        (5, b"text".to_vec())
    );
    assert_eq!(
        fake.call(libc::SYS_msgctl, &[queue, libc::IPC_STAT as u64, BASE]),
        0
    );
    assert_eq!(
        fake.call(libc::SYS_msgctl, &[queue, libc::IPC_RMID as u64, 0]),
        0
    );
    let set = fake.call(libc::SYS_semget, &[libc::IPC_PRIVATE as u64, 1, 0o600]) as u64;
    assert_eq!(
        fake.call(libc::SYS_semctl, &[set, 0, libc::SETVAL as u64, 3]),
        0
    );
    assert_eq!(
        fake.call(libc::SYS_semctl, &[set, 0, libc::GETVAL as u64, 0]),
        3
    );
    assert_eq!(
        fake.call(libc::SYS_semctl, &[set, 0, libc::IPC_RMID as u64, 0]),
        0
    );
}
