//! Signals that a process sends to itself, and what it says about them.

use crate::process::{Fake, BASE};
use dangless_vmm::process::Outcome;

const SET: u64 = libc::SIG_SETMASK as u64;

fn fake() -> (Fake, u64, u64) {
    let mut fake = Fake::new(4);
    fake.map_pages(BASE, 1);
    let process = fake.call(libc::SYS_getpid, &[]) as u64;
    let thread = fake.call(libc::SYS_gettid, &[]) as u64;
    (fake, process, thread)
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

#[test]
fn aborting_ends_the_program_and_not_the_vmm() {
    let (mut fake, process, thread) = fake();
    let abort = libc::SIGABRT as u64;
    let killed = Outcome::Killed(libc::SIGABRT);
    assert_eq!(
        fake.outcome(libc::SYS_tgkill, &[process, thread, abort]),
        killed
    );
    assert_eq!(fake.outcome(libc::SYS_tkill, &[thread, abort]), killed);
    assert_eq!(fake.outcome(libc::SYS_kill, &[process, abort]), killed);
    assert_eq!(fake.outcome(libc::SYS_kill, &[0, abort]), killed);
    assert_eq!(fake.call(libc::SYS_kill, &[process, 0]), 0);
    assert_eq!(fake.error(libc::SYS_kill, &[process, 65]), libc::EINVAL);
    assert_eq!(fake.error(libc::SYS_kill, &[u64::MAX, abort]), libc::EPERM);
    assert_eq!(
        fake.call(libc::SYS_kill, &[process, libc::SIGCHLD as u64]),
        0
    );
}

#[test]
fn dispositions_are_kept() {
    let (mut fake, process, _) = fake();
    let user = libc::SIGUSR1 as u64;
    fake.put_words(BASE, &[0x1234, 0x0400_0000, 0x5678, u64::MAX]);
    assert_eq!(fake.call(libc::SYS_rt_sigaction, &[user, BASE, 0, 8]), 0);
    assert_eq!(
        fake.call(libc::SYS_rt_sigaction, &[user, 0, BASE + 64, 8]),
        0
    );
    let words: Vec<u64> = (0..4)
        .map(|place| fake.get_word(BASE + 64 + place * 8))
        .collect();
    let blocked = !(bit(libc::SIGKILL) | bit(libc::SIGSTOP));
    assert_eq!(words, [0x1234, 0x0400_0000, 0x5678, blocked]);
    fake.put_words(BASE, &[1, 0, 0, 0]);
    assert_eq!(fake.call(libc::SYS_rt_sigaction, &[user, BASE, 0, 8]), 0);
    assert_eq!(fake.call(libc::SYS_kill, &[process, user]), 0);
    assert_eq!(
        fake.error(libc::SYS_rt_sigaction, &[9, BASE, 0, 8]),
        libc::EINVAL
    );
    assert_eq!(
        fake.error(libc::SYS_rt_sigaction, &[0, 0, BASE, 8]),
        libc::EINVAL
    );
    assert_eq!(
        fake.error(libc::SYS_rt_sigaction, &[user, BASE, 0, 16]),
        libc::EINVAL
    );
}

#[test]
fn a_blocked_signal_waits() {
    let (mut fake, process, _) = fake();
    let user = libc::SIGUSR1 as u64;
    fake.put_words(BASE, &[bit(libc::SIGUSR1), 0]);
    assert_eq!(fake.call(libc::SYS_rt_sigprocmask, &[SET, BASE, 0, 8]), 0);
    assert_eq!(fake.call(libc::SYS_kill, &[process, user]), 0);
    assert_eq!(fake.call(libc::SYS_rt_sigpending, &[BASE + 64, 8]), 0);
    assert_eq!(fake.get_word(BASE + 64), bit(libc::SIGUSR1));
    // Taken by waiting for it.
    let wait = [BASE, BASE + 128, BASE + 8, 8];
    fake.put_words(BASE + 8, &[0, 0]);
    assert_eq!(fake.call(libc::SYS_rt_sigtimedwait, &wait), user as i64);
    assert_eq!(fake.get_word(BASE + 128) as u32, user as u32);
    assert_eq!(fake.error(libc::SYS_rt_sigtimedwait, &wait), libc::EAGAIN);
}

#[test]
fn a_broken_pipe_kills_unless_it_is_ignored() {
    let (mut fake, ..) = fake();
    assert_eq!(fake.call(libc::SYS_pipe, &[BASE]), 0);
    let ends = fake.get_word(BASE);
    let (read, write) = (ends & 0xffff_ffff, ends >> 32);
    assert_eq!(fake.call(libc::SYS_close, &[read]), 0);
    assert_eq!(
        fake.outcome(libc::SYS_write, &[write, BASE, 1]),
        Outcome::Killed(libc::SIGPIPE)
    );
    fake.put_words(BASE, &[1, 0, 0, 0]);
    assert_eq!(
        fake.call(libc::SYS_rt_sigaction, &[libc::SIGPIPE as u64, BASE, 0, 8]),
        0
    );
    assert_eq!(fake.error(libc::SYS_write, &[write, BASE, 1]), libc::EPIPE);
    assert_eq!(fake.call(libc::SYS_close, &[write]), 0);
}

#[test]
fn the_alternate_stack_is_kept() {
    let (mut fake, ..) = fake();
    assert_eq!(fake.call(libc::SYS_sigaltstack, &[0, BASE]), 0);
    assert_eq!(fake.get_word(BASE + 8) as i32, libc::SS_DISABLE);
    fake.put_words(BASE, &[0x7000, 0, 8192]);
    assert_eq!(fake.call(libc::SYS_sigaltstack, &[BASE, 0]), 0);
    assert_eq!(fake.call(libc::SYS_sigaltstack, &[0, BASE + 64]), 0);
    assert_eq!(
        (fake.get_word(BASE + 64), fake.get_word(BASE + 80)),
        (0x7000, 8192)
    );
    fake.put_words(BASE, &[0x7000, 0, 100]);
    assert_eq!(fake.error(libc::SYS_sigaltstack, &[BASE, 0]), libc::ENOMEM);
    fake.put_words(BASE, &[0x7000, 77, 8192]);
    assert_eq!(fake.error(libc::SYS_sigaltstack, &[BASE, 0]), libc::EINVAL);
}

#[test]
fn timers_are_the_hosts() {
    let (mut fake, ..) = fake();
    assert_eq!(fake.call(libc::SYS_alarm, &[0]), 0);
    assert_eq!(fake.call(libc::SYS_getitimer, &[0, BASE]), 0);
    assert_eq!(fake.get(BASE, 32), [0; 32]);
    // One that tells nobody: SIGEV_NONE.
    fake.put_words(BASE, &[0, 1 << 32, 0, 0, 0, 0, 0, 0]);
    assert_eq!(fake.call(libc::SYS_timer_create, &[1, BASE, BASE + 64]), 0);
    let timer = fake.get_word(BASE + 64) & 0xffff_ffff;
    fake.put_words(BASE, &[0, 0, 1000, 0]);
    assert_eq!(fake.call(libc::SYS_timer_settime, &[timer, 0, BASE, 0]), 0);
    assert_eq!(fake.call(libc::SYS_timer_gettime, &[timer, BASE]), 0);
    assert!((990..=1000).contains(&fake.get_word(BASE + 16)));
    assert_eq!(fake.call(libc::SYS_timer_delete, &[timer]), 0);
    assert_eq!(fake.error(libc::SYS_timer_delete, &[timer]), libc::EINVAL);
}

#[test]
fn the_vmms_own_signal_is_never_blocked() {
    let (mut fake, ..) = fake();
    fake.put_words(BASE, &[u64::MAX, 0]);
    assert_eq!(fake.call(libc::SYS_rt_sigprocmask, &[SET, BASE, 0, 8]), 0);
    assert_eq!(
        fake.call(libc::SYS_rt_sigprocmask, &[SET, 0, BASE + 64, 8]),
        0
    );
    let unblocked = bit(libc::SIGKILL) | bit(libc::SIGSTOP) | bit(libc::SIGSTKFLT);
    assert_eq!(fake.get_word(BASE + 64), !unblocked);
}

#[test]
fn ending() {
    let (mut fake, ..) = fake();
    assert_eq!(
        fake.outcome(libc::SYS_exit_group, &[0x1ff]),
        Outcome::Exit(0xff)
    );
    assert_eq!(fake.outcome(libc::SYS_exit, &[3]), Outcome::ThreadExit(3));
    assert_eq!(
        fake.outcome(libc::SYS_rt_sigreturn, &[]),
        Outcome::Killed(libc::SIGSEGV)
    );
}
