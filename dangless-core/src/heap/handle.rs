//! Handles on records in granted memory.
//!
//! Metadata lies in memory that the machine granted and that is never given back. Its records are
//! made of atomics only, so a stale handle reads old numbers, at worst, and never breaks a rule of
//! the language; who may rely on which number is said at each record.

use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

/// A type that a [`Handle`] may point to.
///
/// # Safety
/// The type consists of atomics and of padding, and all zero bytes are a valid value.
pub unsafe trait Record {}

// SAFETY: an atomic is one.
unsafe impl Record for AtomicU64 {}
// SAFETY: an atomic is one.
unsafe impl Record for core::sync::atomic::AtomicU32 {}
// SAFETY: an atomic is one.
unsafe impl Record for core::sync::atomic::AtomicU16 {}

/// Points to a record in metadata memory. An `Option` of it is an address, 0 for none: the runtime's
/// assembly reads it so.
#[repr(transparent)]
pub struct Handle<T: Record> {
    at: NonNull<T>,
}

impl<T: Record> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Record> Copy for Handle<T> {}

// SAFETY: a handle gives shared access to atomics, which any thread may use.
unsafe impl<T: Record> Send for Handle<T> {}
// SAFETY: as above.
unsafe impl<T: Record> Sync for Handle<T> {}

impl<T: Record> Handle<T> {
    /// The record at `at`.
    ///
    /// # Safety
    /// `at` is aligned for `T` and lies with all of `T` in metadata memory that stays mapped, and
    /// that is not written but through atomics as long as the handle is used.
    pub const unsafe fn new(at: NonNull<T>) -> Self {
        Self { at }
    }

    /// The record as a number, for a [`Link`] or for comparison.
    #[must_use]
    pub fn address(self) -> u64 {
        self.at.as_ptr() as u64
    }

    /// The record itself, for longer than this copy of the handle.
    #[must_use]
    pub fn forever<'r>(self) -> &'r T {
        // SAFETY: the maker of the handle vouched for the place; metadata is never given back.
        unsafe { self.at.as_ref() }
    }

    /// The element `index` on, of an array that starts here.
    ///
    /// # Safety
    /// The array has more than `index` elements.
    #[must_use]
    pub const unsafe fn element(self, index: usize) -> Self {
        // SAFETY: the caller vouches for the array, so the element is in the same allocation.
        let at = unsafe { self.at.add(index) };
        Self { at }
    }
}

impl<T: Record> PartialEq for Handle<T> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<T: Record> Deref for Handle<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the maker of the handle vouched for the place, and a record is all atomics.
        unsafe { self.at.as_ref() }
    }
}

/// A place in a record that holds a handle or nothing.
#[repr(transparent)]
pub struct Link<T: Record> {
    address: AtomicU64,
    of: PhantomData<*const T>,
}

// SAFETY: a link is an atomic number; the handle it yields may be used by any thread.
unsafe impl<T: Record> Sync for Link<T> {}
// SAFETY: as above.
unsafe impl<T: Record> Send for Link<T> {}

impl<T: Record> Link<T> {
    /// Nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            address: AtomicU64::new(0),
            of: PhantomData,
        }
    }

    /// What the link holds.
    #[must_use]
    pub fn get(&self) -> Option<Handle<T>> {
        let at = NonNull::new(self.address.load(Ordering::Acquire) as *mut T)?;
        // SAFETY: only `set` writes the number, always from a handle.
        Some(unsafe { Handle::new(at) })
    }

    /// Makes the link hold `to`, after everything written before.
    pub fn set(&self, to: Option<Handle<T>>) {
        self.address
            .store(to.map_or(0, Handle::address), Ordering::Release);
    }

    /// Takes out what the link holds.
    pub fn take(&self) -> Option<Handle<T>> {
        let taken = self.get();
        self.set(None);
        taken
    }
}
