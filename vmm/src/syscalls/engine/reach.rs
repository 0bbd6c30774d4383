//! Threads that work for the VMM: for the program there are none.

use super::host;
use crate::process::Process;

/// Whether the number names a thread of this process, be it the program's or the VMM's.
#[must_use]
pub fn is_own(number: i32) -> bool {
    if u32::try_from(number) == Ok(std::process::id()) {
        return true;
    }
    if number <= 0 {
        return false;
    }
    // Signal 0 to a thread of another process's group fails.
    let own = u64::from(std::process::id());
    host::ask(libc::SYS_tgkill, [own, number as u64, 0, 0, 0, 0]) == 0
}

/// Whether the number names a thread of this process that is not the program's.
#[must_use]
pub fn is_hidden(process: &dyn Process, number: i32) -> bool {
    if number <= 0 || u32::try_from(number) == Ok(std::process::id()) {
        return false;
    }
    let threads = process.threads();
    // The child of a `vfork` is none of its parent's threads.
    let is_caller = || i64::from(number) == host::ask(libc::SYS_gettid, [0; 6]);
    !threads.is_empty() && !threads.contains(&number) && is_own(number) && !is_caller()
}

/// Whether a call is about such a thread.
#[must_use]
pub fn is_barred(process: &dyn Process, number: i64, arguments: &[u64; 6]) -> bool {
    let named = match number {
        libc::SYS_sched_setaffinity
        | libc::SYS_sched_getaffinity
        | libc::SYS_sched_setscheduler
        | libc::SYS_sched_getscheduler
        | libc::SYS_sched_setparam
        | libc::SYS_sched_getparam
        | libc::SYS_sched_setattr
        | libc::SYS_sched_getattr
        | libc::SYS_sched_rr_get_interval
        | libc::SYS_prlimit64
        | libc::SYS_getpgid
        | libc::SYS_getsid
        | libc::SYS_kill
        | libc::SYS_tkill
        | libc::SYS_rt_sigqueueinfo
        | libc::SYS_get_robust_list
        | libc::SYS_pidfd_open => arguments[0],
        libc::SYS_tgkill | libc::SYS_rt_tgsigqueueinfo => arguments[1],
        libc::SYS_getpriority | libc::SYS_setpriority
            if arguments[0] as u32 == libc::PRIO_PROCESS =>
        {
            arguments[1]
        }
        // `IOPRIO_WHO_PROCESS`
        libc::SYS_ioprio_get | libc::SYS_ioprio_set if arguments[0] as u32 == 1 => arguments[1],
        _ => return false,
    };
    is_hidden(process, named as i32)
}
