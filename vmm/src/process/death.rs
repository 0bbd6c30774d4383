//! The end of this process, as the end of the program that it is.

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// With this exit status.
    Exit(u8),
    /// By this signal.
    Signal(i32),
}

/// `struct sigaction` as the kernel takes it.
#[repr(C)]
struct KernelAction {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// Ends this process, all its threads included. Nothing is cleaned up: other processes may share
/// what would be.
pub fn die(death: Death) -> ! {
    let status = match death {
        Death::Exit(status) => i32::from(status),
        Death::Signal(signal) => {
            raise(signal);
            // A signal that does not kill.
            128 + signal
        }
    };
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

/// Sends this process a signal with its default action, without a core: it would be the VMM's.
fn raise(signal: i32) {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let default = KernelAction {
        handler: libc::SIG_DFL,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
    let unblocked = !(1u64 << (signal.clamp(1, 64) - 1));
    // SAFETY: the structures are ours and laid out as the kernel's; the calls change only what
    // signals do to this process. Raw calls, because the C library keeps two signals for itself.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &none);
        let null = std::ptr::null_mut::<KernelAction>();
        libc::syscall(libc::SYS_rt_sigaction, signal, &default, null, 8);
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), signal);
        let set = libc::SIG_SETMASK;
        libc::syscall(libc::SYS_rt_sigprocmask, set, &unblocked, null, 8);
    }
}
