//! The bound on queued revocations: a program that computes without system calls is interrupted
//! within a millisecond of its first queued free.
//!
//! A thread looks at the area's `pending` word and, while it is set, kicks the vCPU with a signal.
//! When nothing has waited for a while it sleeps, with the area's `ticking` word at 0; the runtime
//! then asks for it with the next free that is queued.
//! The signal is blocked in the vCPU's thread and let through only inside `KVM_RUN`
//! (`KVM_SET_SIGNAL_MASK`), so it never disturbs a system call that is being served, and a kick
//! just before entry is not lost. It stays pending until [`Ticker::take_kick`] consumes it.

use super::host::HostError;
use crate::memory::physical::Physical;
use dangless_core::address::GuestPhysical;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the word is looked at.
const PERIOD: Duration = Duration::from_millis(1);
/// Looks without anything waiting before the thread sleeps.
const IDLE: u32 = 20;
/// How soon the next kick follows one that found the runtime at work.
const AGAIN: Duration = Duration::from_micros(200);
/// `_IOW(KVMIO, 0x8b, struct kvm_signal_mask)`
const KVM_SET_SIGNAL_MASK: libc::c_ulong = 0x4004_ae8b;

#[repr(C)]
struct SignalMask {
    length: u32,
    set: [u8; 8],
}

/// The signal that kicks vCPUs: one that does not queue and that nothing else on Linux uses.
const KICK: i32 = libc::SIGSTKFLT;

extern "C" fn ignore(_signal: i32) {}

/// The words of the area that concern the ticker, in anonymous guest memory.
#[derive(Clone, Copy)]
pub struct Words {
    /// `VcpuArea::pending`
    pub pending: GuestPhysical,
    /// `VcpuArea::ticking`
    pub ticking: GuestPhysical,
}

/// The thread that kicks one vCPU; it ends when this is dropped.
pub struct Ticker {
    stop: Arc<AtomicBool>,
    /// Whether the last kick found the runtime at work and must be repeated soon.
    missed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

fn failed(call: &'static str) -> HostError {
    HostError::Call {
        call,
        source: kvm_ioctls::Error::last(),
    }
}

impl Ticker {
    /// Gets ready to kick the calling thread's vCPU (descriptor `vcpu`).
    ///
    /// # Errors
    /// When the host refuses the signal mask or the thread.
    pub fn start(physical: Arc<Physical>, words: Words, vcpu: RawFd) -> Result<Self, HostError> {
        static HANDLER: Once = Once::new();
        HANDLER.call_once(|| {
            // SAFETY: installs a handler that does nothing for a signal that nobody else uses;
            // the structure is zeroed and then filled in.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = ignore as extern "C" fn(i32) as usize;
                action.sa_flags = libc::SA_RESTART;
                libc::sigaction(KICK, &action, std::ptr::null_mut());
            }
        });
        let mut inside = SignalMask {
            length: 8,
            set: [0; 8],
        };
        // SAFETY: the sets are ours; only this thread's mask changes. The kernel's set is the
        // first eight bytes of the C library's.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            let mut old: libc::sigset_t = std::mem::zeroed();
            libc::sigaddset(&mut set, KICK);
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut old);
            libc::sigdelset(&mut old, KICK);
            std::ptr::copy_nonoverlapping(
                std::ptr::from_ref(&old).cast::<u8>(),
                inside.set.as_mut_ptr(),
                inside.set.len(),
            );
        }
        // SAFETY: the structure is laid out as KVM's, length first, and lives for the call.
        if unsafe { libc::ioctl(vcpu, KVM_SET_SIGNAL_MASK, &inside) } != 0 {
            return Err(failed("KVM_SET_SIGNAL_MASK"));
        }
        // SAFETY: no arguments.
        let target = unsafe { libc::pthread_self() };
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let missed = Arc::new(AtomicBool::new(false));
        let again = Arc::clone(&missed);
        let thread = std::thread::Builder::new()
            .name("dangless-tick".to_owned())
            .spawn(move || {
                let (Some(word), Some(ticking)) = (
                    physical.host(words.pending, 8),
                    physical.host(words.ticking, 8),
                ) else {
                    return;
                };
                // SAFETY: aligned words of the area, anonymous memory kept alive by `physical`.
                let (word, ticking) = unsafe {
                    (
                        AtomicU64::from_ptr(word.cast()),
                        AtomicU64::from_ptr(ticking.cast()),
                    )
                };
                ticking.store(1, Ordering::SeqCst);
                let mut idle = 0;
                while !seen.load(Ordering::Acquire) {
                    if word.load(Ordering::SeqCst) != 0 {
                        idle = 0;
                        // SAFETY: the target outlives this thread: dropping the ticker joins it.
                        unsafe { libc::pthread_kill(target, KICK) };
                    } else {
                        idle += 1;
                    }
                    if idle > IDLE {
                        ticking.store(0, Ordering::SeqCst);
                        if word.load(Ordering::SeqCst) == 0 {
                            std::thread::park();
                        }
                        idle = 0;
                        ticking.store(1, Ordering::SeqCst);
                    }
                    std::thread::park_timeout(PERIOD);
                    if again.swap(false, Ordering::Relaxed) {
                        std::thread::park_timeout(AGAIN);
                    }
                }
            })
            .map_err(|source: io::Error| HostError::Thread(source))?;
        Ok(Self {
            stop,
            missed,
            thread: Some(thread),
        })
    }

    /// Starts looking again; the runtime has asked for it.
    pub fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Notes that the kick came at a moment when the queue could not be touched.
    pub fn note_missed(&self) {
        self.missed.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Consumes a kick that has interrupted the guest; must be called on the vCPU's thread.
    pub fn take_kick(&self) {
        // SAFETY: the set is ours; with a time-out of zero the call only looks.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigaddset(&mut set, KICK);
            let now: libc::timespec = std::mem::zeroed();
            libc::sigtimedwait(&set, std::ptr::null_mut(), &now);
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread cannot panic; there is nobody left to tell if it did.
            let _ = thread.join();
        }
    }
}
