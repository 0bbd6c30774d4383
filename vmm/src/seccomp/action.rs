//! What filters answer about a call.

/// What becomes of a call, the most restrictive first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The process dies of SIGSYS.
    KillProcess,
    /// The thread dies of SIGSYS.
    KillThread,
    /// SIGSYS with this in `si_errno`.
    Trap(u16),
    /// The call gives this error.
    Fail(i32),
    /// It would be asked of another process, or of a tracer; there is none, and it is ENOSYS.
    Unanswered,
    /// The call is made.
    Allow,
}

/// What can stand in the upper half of a filter's answer.
pub const KNOWN: [u32; 8] = [
    libc::SECCOMP_RET_KILL_PROCESS,
    libc::SECCOMP_RET_KILL_THREAD,
    libc::SECCOMP_RET_TRAP,
    libc::SECCOMP_RET_ERRNO,
    libc::SECCOMP_RET_USER_NOTIF,
    libc::SECCOMP_RET_TRACE,
    libc::SECCOMP_RET_LOG,
    libc::SECCOMP_RET_ALLOW,
];

/// The largest error number (`MAX_ERRNO`).
const MOST: i32 = 4095;

/// How restrictive an answer is: the lower, the more.
#[must_use]
pub const fn rank(answer: u32) -> i32 {
    (answer & libc::SECCOMP_RET_ACTION_FULL) as i32
}

impl Action {
    /// What an answer means; one that is not known kills.
    #[must_use]
    pub fn of(answer: u32) -> Self {
        let data = (answer & libc::SECCOMP_RET_DATA) as u16;
        match answer & libc::SECCOMP_RET_ACTION_FULL {
            libc::SECCOMP_RET_ALLOW | libc::SECCOMP_RET_LOG => Self::Allow,
            libc::SECCOMP_RET_TRACE | libc::SECCOMP_RET_USER_NOTIF => Self::Unanswered,
            libc::SECCOMP_RET_ERRNO => Self::Fail(i32::from(data).min(MOST)),
            libc::SECCOMP_RET_TRAP => Self::Trap(data),
            libc::SECCOMP_RET_KILL_THREAD => Self::KillThread,
            _ => Self::KillProcess,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_the_kernel_says() {
        for (answer, action) in [
            (0x8000_0000, Action::KillProcess),
            (0x1234_0000, Action::KillProcess),
            (0x0000_0005, Action::KillThread),
            (0x0003_0009, Action::Trap(9)),
            (0x0005_0001, Action::Fail(1)),
            (0x0005_ffff, Action::Fail(4095)),
            (0x7fc0_0000, Action::Unanswered),
            (0x7ff0_0001, Action::Unanswered),
            (0x7ffc_0000, Action::Allow),
            (0x7fff_0000, Action::Allow),
        ] {
            assert_eq!(Action::of(answer), action, "{answer:#x}");
        }
    }

    #[test]
    fn the_most_restrictive_ranks_lowest() {
        assert!(KNOWN.is_sorted_by(|a, b| rank(*a) < rank(*b)));
    }
}
