//! A spinlock for short sections; all zero bytes are an unlocked one.
//!
//! Where more threads run than there are processors, the one that holds a lock may be off its
//! processor for a whole time slice: who waits longer than a section can take gives its own up.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::ops::{Deref, DerefMut};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// Looks at a lock before the processor is given up.
const LOOKS: u32 = 1000;

/// What gives the processor up: a `fn()`, or null.
static YIELD: AtomicPtr<()> = AtomicPtr::new(null_mut());

/// Sets what a thread that waits long for a lock calls to give its processor up.
pub fn set_yield(give_up: fn()) {
    YIELD.store(give_up as *mut (), Ordering::Release);
}

fn give_up() {
    let hook = YIELD.load(Ordering::Acquire);
    if hook.is_null() {
        spin_loop();
    } else {
        // SAFETY: only `set_yield` writes the pointer, always from a `fn()`.
        let hook = unsafe { core::mem::transmute::<*mut (), fn()>(hook) };
        hook();
    }
}

/// A value that one thread at a time may use. Held for a few hundred instructions at most, and
/// never across a call into the program.
#[repr(C)]
pub struct SpinLock<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through a guard, of which there is one at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// The value, not locked.
    pub const fn new(value: T) -> Self {
        Self {
            held: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits until the value is free and takes it.
    pub fn lock(&self) -> Guard<'_, T> {
        while self.held.swap(true, Ordering::Acquire) {
            let mut looks = 0;
            while self.held.load(Ordering::Relaxed) {
                looks += 1;
                if looks % LOOKS == 0 {
                    give_up();
                }
                spin_loop();
            }
        }
        Guard { lock: self }
    }

    /// Takes the value if it is free.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        (!self.held.swap(true, Ordering::Acquire)).then(|| Guard { lock: self })
    }
}

/// Holds the lock until dropped.
pub struct Guard<'l, T> {
    lock: &'l SpinLock<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard is the only one, so nobody else reads or writes the value.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the only one, and it is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.lock.held.store(false, Ordering::Release);
    }
}
