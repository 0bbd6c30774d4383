//! What a thread's signal handler has recorded, and what it must stop.
//!
//! A slot is used by its own thread only: by the code that the handler interrupts, and by the
//! handler. While a signal is recorded all others are blocked, so there is at most one.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// Bytes of the kernel's `siginfo_t`.
pub const INFO: usize = 128;

/// A signal that has arrived.
#[derive(Clone, Copy)]
pub struct Recorded {
    /// Its number.
    pub signal: i32,
    /// The kernel's `siginfo_t`.
    pub info: [u8; INFO],
    /// The signals that the thread blocks when the handler has returned.
    pub mask: u64,
    /// Those that it blocked when the signal came: others, in a call that waits with a mask of its
    /// own.
    pub during: u64,
}

/// One thread's slot.
pub struct Slot {
    /// Not 0 when system calls must not wait: a signal is recorded, or the program ends.
    pub(super) interrupt: AtomicU32,
    signal: AtomicI32,
    info: [AtomicU64; INFO / 8],
    mask: AtomicU64,
    during: AtomicU64,
    /// Whether a kick came since it was last asked.
    kicked: AtomicBool,
    /// `immediate_exit` of the thread's vCPU; null on threads that run no guest.
    exit: AtomicPtr<u8>,
    /// Whether the program ends.
    stop: AtomicPtr<AtomicBool>,
}

thread_local! {
    // Without a destructor, so that the handler may use it at any time.
    static SLOT: Slot = const { Slot {
        interrupt: AtomicU32::new(0),
        signal: AtomicI32::new(0),
        info: [const { AtomicU64::new(0) }; INFO / 8],
        mask: AtomicU64::new(0),
        during: AtomicU64::new(0),
        kicked: AtomicBool::new(false),
        exit: AtomicPtr::new(null_mut()),
        stop: AtomicPtr::new(null_mut()),
    } };
}

/// The calling thread's slot.
pub fn with<T>(use_it: impl FnOnce(&Slot) -> T) -> T {
    SLOT.with(use_it)
}

impl Slot {
    /// Registers the thread as one that runs a guest: the byte that makes its vCPU leave, and
    /// whether the program ends.
    ///
    /// # Safety
    /// Both stay valid until [`Self::withdraw`].
    pub unsafe fn register(&self, exit: *mut u8, stop: *mut AtomicBool) {
        self.signal.store(0, Ordering::Relaxed);
        self.interrupt.store(0, Ordering::Relaxed);
        self.stop.store(stop, Ordering::Relaxed);
        self.exit.store(exit, Ordering::SeqCst);
    }

    /// Takes the registration back.
    pub fn withdraw(&self) {
        self.exit.store(null_mut(), Ordering::SeqCst);
        self.stop.store(null_mut(), Ordering::SeqCst);
        self.interrupt.store(0, Ordering::Relaxed);
    }

    /// Whether the thread runs a guest.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        !self.exit.load(Ordering::Relaxed).is_null()
    }

    /// Records a signal; for the handler.
    pub(super) fn record(&self, recorded: &Recorded) {
        for (word, bytes) in self.info.iter().zip(recorded.info.chunks_exact(8)) {
            let mut value = [0; 8];
            value.copy_from_slice(bytes);
            word.store(u64::from_le_bytes(value), Ordering::Relaxed);
        }
        self.mask.store(recorded.mask, Ordering::Relaxed);
        self.during.store(recorded.during, Ordering::Relaxed);
        self.signal.store(recorded.signal, Ordering::SeqCst);
        self.interrupt.store(1, Ordering::SeqCst);
        self.leave();
    }

    /// Makes the vCPU leave the guest; for the handler.
    fn leave(&self) {
        let exit = self.exit.load(Ordering::Relaxed);
        if !exit.is_null() {
            // SAFETY: the registered byte is valid (contract of `register`); the kernel reads it
            // at any time, and nobody else writes anything but single bytes.
            unsafe { std::sync::atomic::AtomicU8::from_ptr(exit) }.store(1, Ordering::SeqCst);
        }
    }

    /// Notes a kick; for the handler.
    pub(super) fn kick(&self) {
        self.kicked.store(true, Ordering::SeqCst);
        let stop = self.stop.load(Ordering::Relaxed);
        // SAFETY: null or valid by the contract of `register`.
        if unsafe { stop.as_ref() }.is_some_and(|stop| stop.load(Ordering::SeqCst)) {
            self.interrupt.store(1, Ordering::SeqCst);
        }
        self.leave();
    }

    /// Whether a system call must not wait.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.load(Ordering::SeqCst) != 0
    }

    /// Whether a signal is recorded.
    #[must_use]
    pub fn has_recorded(&self) -> bool {
        self.signal.load(Ordering::SeqCst) != 0
    }

    /// Takes the recorded signal out. All signals stay blocked until the caller sets the mask.
    #[must_use]
    pub fn take(&self) -> Option<Recorded> {
        let signal = self.signal.swap(0, Ordering::SeqCst);
        if signal == 0 {
            return None;
        }
        self.interrupt.store(0, Ordering::SeqCst);
        let mut info = [0; INFO];
        for (word, bytes) in self.info.iter().zip(info.chunks_exact_mut(8)) {
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        Some(Recorded {
            signal,
            info,
            mask: self.mask.load(Ordering::Relaxed),
            during: self.during.load(Ordering::Relaxed),
        })
    }

    /// The program's mask, if a signal is recorded.
    pub(super) fn recorded_mask(&self) -> Option<u64> {
        self.has_recorded()
            .then(|| self.mask.load(Ordering::Relaxed))
    }

    /// Replaces the program's mask, if a signal is recorded; whether one is.
    pub(super) fn replace_mask(&self, mask: u64) -> bool {
        let recorded = self.has_recorded();
        if recorded {
            self.mask.store(mask, Ordering::Relaxed);
            self.during.store(mask, Ordering::Relaxed);
        }
        recorded
    }

    /// Notes that the recorded signal came in a call that waited with this mask.
    pub fn came_during(&self, mask: u64) {
        self.during.store(mask, Ordering::Relaxed);
    }

    /// Whether a kick came since the last time.
    pub fn take_kick(&self) -> bool {
        self.kicked.swap(false, Ordering::SeqCst)
    }
}
