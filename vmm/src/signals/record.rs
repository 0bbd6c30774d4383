//! The host handler that records signals, and installing it.

use super::mask::{self, bit};
use super::slot::{self, Recorded, INFO};
use super::stub;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Where signals go that arrive on a thread that runs no guest (a process that embeds the VMM).
static HOME: AtomicI32 = AtomicI32::new(0);

/// The kernel's `struct sigaction`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct KernelAction {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

const SA_RESTORER: u64 = 0x0400_0000;
/// Flags of the program's that the host's kernel must know of.
const PASSED: u64 = (libc::SA_RESTART | libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT) as u64;

std::arch::global_asm!(
    ".pushsection .text.dangless_restorer,\"ax\",@progbits",
    ".globl dangless_restorer",
    ".hidden dangless_restorer",
    ".balign 16",
    "dangless_restorer:",
    "mov eax, 15",
    "syscall",
    ".popsection",
);

extern "C" {
    fn dangless_restorer();
}

/// What the host does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The default action.
    Default,
    /// The default action with these `sa_flags` of the program.
    DefaultWith(u64),
    /// Nothing.
    Ignore,
    /// It is recorded for the program's handler; the `sa_flags` of the program.
    Record(u64),
}

/// Sets what the host does with a signal.
///
/// # Errors
/// The host's error number.
pub fn dispose(signal: i32, disposition: Disposition) -> Result<(), i32> {
    let (handler, flags) = match disposition {
        Disposition::Default => (libc::SIG_DFL, 0),
        Disposition::DefaultWith(flags) => (libc::SIG_DFL, flags & PASSED),
        Disposition::Ignore => (libc::SIG_IGN, 0),
        Disposition::Record(flags) => (
            record as *const () as usize,
            flags & PASSED | libc::SA_SIGINFO as u64,
        ),
    };
    let action = KernelAction {
        handler,
        flags: flags | SA_RESTORER,
        restorer: dangless_restorer as *const () as usize,
        mask: u64::MAX,
    };
    // SAFETY: the structure is the kernel's, with a restorer that returns from the handler; the
    // handler only uses its thread's slot and system calls.
    let set = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            &raw const action,
            std::ptr::null::<KernelAction>(),
            8,
        )
    };
    if set == 0 {
        return Ok(());
    }
    Err(std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EINVAL))
}

/// Whether this process was started with `SIGPIPE` ignored, which Rust's own start-up hides.
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);

/// Notes what the process was started with, before Rust's start-up changes it.
extern "C" fn note_start() {
    PIPE_IGNORED.store(is_ignored(libc::SIGPIPE), Ordering::SeqCst);
}

#[used]
#[link_section = ".init_array"]
static NOTE_START: extern "C" fn() = note_start;

fn is_ignored(signal: i32) -> bool {
    let mut action = KernelAction::default();
    // SAFETY: the structure is the kernel's, and ours.
    unsafe {
        let none = std::ptr::null::<KernelAction>();
        libc::syscall(libc::SYS_rt_sigaction, signal, none, &raw mut action, 8);
    }
    action.handler == libc::SIG_IGN
}

/// Gives the signals that Rust's start-up took for itself back to the program, whose process this
/// is; the signals that it was started with ignored.
#[must_use]
pub fn hand_over() -> Vec<i32> {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // A signal that exists can be set.
        let _ = dispose(signal, Disposition::Default);
    }
    let pipe = if PIPE_IGNORED.load(Ordering::SeqCst) {
        Disposition::Ignore
    } else {
        Disposition::Default
    };
    // As above.
    let _ = dispose(libc::SIGPIPE, pipe);
    (1..=64).filter(|&signal| is_ignored(signal)).collect()
}

/// Makes the calling thread the one that takes signals which arrive elsewhere.
pub fn set_home() {
    // SAFETY: no arguments, no memory.
    HOME.store(unsafe { libc::gettid() }, Ordering::SeqCst);
}

extern "C" fn record(signal: i32, info: *const u8, context: *mut libc::ucontext_t) {
    // SAFETY: the kernel passes 128 bytes of information.
    let bytes: [u8; INFO] = unsafe { info.cast::<[u8; INFO]>().read_unaligned() };
    let code = i32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    let faults = bit(libc::SIGSEGV)
        | bit(libc::SIGBUS)
        | bit(libc::SIGILL)
        | bit(libc::SIGFPE)
        | bit(libc::SIGTRAP);
    if faults & bit(signal) != 0 && code > 0 {
        // The VMM's own fault: it happens again, and then kills. An error of `dispose` leaves the
        // handler, and the kernel kills a process that faults with the signal blocked.
        let _ = dispose(signal, Disposition::Default);
        return;
    }
    slot::with(|slot| {
        if !slot.is_guest() {
            pass_on(signal, info);
            return;
        }
        // SAFETY: the kernel passes the interrupted thread's context; its set of signals begins
        // with the kernel's eight bytes.
        let blocked = unsafe { (&raw mut (*context).uc_sigmask).cast::<u64>() };
        // SAFETY: as above.
        let mask = unsafe { blocked.read() };
        slot.record(&Recorded {
            signal,
            info: bytes,
            mask,
            during: mask,
        });
        // SAFETY: as above; the handler returns to a thread that blocks everything.
        unsafe { blocked.write(mask::ALL) };
        // SAFETY: as above.
        unsafe { divert(context) };
    });
}

/// Moves a thread that is about to make a system call past it.
///
/// # Safety
/// `context` is the context that the kernel passed to a handler.
pub(super) unsafe fn divert(context: *mut libc::ucontext_t) {
    // SAFETY: the caller's promise.
    let registers = unsafe { &mut (*context).uc_mcontext.gregs };
    let pc = &mut registers[libc::REG_RIP as usize];
    if let Some(other) = stub::divert(*pc as u64) {
        *pc = other as i64;
    }
}

/// Hands a signal to the thread that takes those of others.
fn pass_on(signal: i32, info: *const u8) {
    let home = HOME.load(Ordering::SeqCst);
    if home == 0 {
        return;
    }
    // SAFETY: the information is the kernel's own, passed on; the calls touch no other memory.
    unsafe {
        let own = libc::getpid();
        let queued = libc::syscall(libc::SYS_rt_tgsigqueueinfo, own, home, signal, info);
        if queued != 0 {
            libc::syscall(libc::SYS_tgkill, own, home, signal);
        }
    }
}
