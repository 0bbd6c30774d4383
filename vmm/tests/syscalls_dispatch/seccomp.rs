//! What a thread has given up is judged before every call.

use crate::process::{Fake, BASE, PAGE};
use dangless_vmm::process::Outcome;
use dangless_vmm::seccomp::{Cell, Mode};
use std::sync::Arc;

/// A filter in memory that answers so about one number and allows the others.
fn put_filter(fake: &Fake, number: u32, answer: u32) {
    let lines: [(u16, u8, u8, u32); 4] = [
        (0x20, 0, 0, 0),
        (0x15, 0, 1, number),
        (0x06, 0, 0, answer),
        (0x06, 0, 0, 0x7fff_0000),
    ];
    fake.put_words(BASE, &[lines.len() as u64, BASE + 64]);
    for (place, (code, if_true, if_false, operand)) in lines.into_iter().enumerate() {
        let word = u64::from(code)
            | u64::from(if_true) << 16
            | u64::from(if_false) << 24
            | u64::from(operand) << 32;
        fake.put_words(BASE + 64 + 8 * place as u64, &[word]);
    }
}

/// A process on a thread that gains no privileges.
fn fake() -> Fake {
    // SAFETY: changes what this thread may become; no memory is involved.
    let set = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(set, 0);
    let mut fake = Fake::new(4);
    fake.map_pages(BASE, 1);
    fake
}

#[test]
fn a_filter_decides() {
    let mut fake = fake();
    let getppid = libc::SYS_getppid as u32;
    for (answer, outcome) in [
        (0x7ffc_0000, None),
        (0x7ff0_0000, Some(Outcome::Value(-i64::from(libc::ENOSYS)))),
        (0x0005_0011, Some(Outcome::Value(-17))),
        (
            0x0003_0009,
            Some(Outcome::Trapped {
                number: getppid,
                data: 9,
            }),
        ),
        (0, Some(Outcome::ThreadKilled(libc::SIGSYS))),
        (0x8000_0000, Some(Outcome::Killed(libc::SIGSYS))),
    ] {
        put_filter(&fake, getppid, answer);
        assert_eq!(fake.call(libc::SYS_seccomp, &[1, 0, BASE]), 0);
        let got = fake.outcome(libc::SYS_getppid, &[]);
        match outcome {
            Some(outcome) => assert_eq!(got, outcome),
            None => assert!(matches!(got, Outcome::Value(1..))),
        }
    }
    put_filter(&fake, 5000, 0x0005_0012);
    let prctl = [libc::PR_SET_SECCOMP as u64, 2, BASE];
    assert_eq!(fake.call(libc::SYS_prctl, &prctl), 0);
    assert_eq!(fake.error(5000, &[]), 18);
    assert_eq!(fake.error(5001, &[]), libc::ENOSYS);
    assert_eq!(fake.error(libc::SYS_seccomp, &[0, 0, 0]), libc::EINVAL);
    let get = [libc::PR_GET_SECCOMP as u64];
    assert_eq!(fake.call(libc::SYS_prctl, &get), 2);
}

#[test]
fn strict_mode_kills() {
    let mut fake = fake();
    assert_eq!(fake.call(libc::SYS_seccomp, &[0, 0, 0]), 0);
    assert_eq!(
        fake.error(libc::SYS_read, &[u64::MAX, BASE, 1]),
        libc::EBADF
    );
    let killed = Outcome::ThreadKilled(libc::SIGKILL);
    assert_eq!(fake.outcome(libc::SYS_getpid, &[]), killed);
    assert_eq!(fake.outcome(5000, &[]), killed);
}

#[test]
fn memory_that_cannot_be_read_holds_no_filter() {
    let mut fake = fake();
    assert_eq!(
        fake.error(libc::SYS_seccomp, &[1, 0, BASE + PAGE]),
        libc::EFAULT
    );
    assert_eq!(
        fake.error(libc::SYS_seccomp, &[1, 0, BASE + PAGE - 8]),
        libc::EFAULT
    );
    fake.put_words(BASE, &[2, BASE + PAGE - 8]);
    assert_eq!(fake.error(libc::SYS_seccomp, &[1, 0, BASE]), libc::EFAULT);
    fake.put_words(BASE, &[4097, BASE]);
    assert_eq!(fake.error(libc::SYS_seccomp, &[1, 0, BASE]), libc::EINVAL);
    fake.free(BASE);
    let report = crate::process::revoked("seccomp", 3, "uargs", BASE);
    assert_eq!(fake.outcome(libc::SYS_seccomp, &[1, 0, BASE]), report);
}

#[test]
fn all_threads_give_up_together_or_none() {
    let mut fake = fake();
    let (same, strict) = (Arc::new(Cell::default()), Arc::new(Cell::default()));
    fake.comrades = vec![(71, Arc::clone(&same)), (72, Arc::clone(&strict))];
    strict.set(Mode::Strict);
    put_filter(&fake, 1, 0x0005_0001);
    assert_eq!(fake.call(libc::SYS_seccomp, &[1, 1, BASE]), 72);
    assert_eq!(fake.error(libc::SYS_seccomp, &[1, 17, BASE]), libc::ESRCH);
    assert!(!same.is_closed());
    fake.comrades.truncate(1);
    assert_eq!(fake.call(libc::SYS_seccomp, &[1, 1, BASE]), 0);
    assert_eq!(same.mode().filters().len(), 1);
    assert!(same.take_owed() && !same.take_owed());
}
