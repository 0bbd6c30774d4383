//! Threads come and go: each has a heap, and a heap outlives its thread.
//!
//! The heap of a thread that ended is an *orphan*; the next thread that starts adopts it, with the
//! chunks that its fronts were handing out. Of more than a few orphans the fronts are given up, so
//! that their memory serves others.
//!
//! For the VMM, by way of the runtime: [`Space::thread_start`] for each thread, by the thread that
//! makes it and before it runs; [`Space::catch_up`] on its own processor first of all;
//! [`Space::thread_exit`] when it runs no more, on any processor that does.

use core::ptr::NonNull;

use super::class::CLASSES;
use super::lock::SpinLock;
use super::machine::Machine;
use super::space::{Heap, Space};
use super::OutOfMemory;

/// Orphans that keep what their fronts hand out.
const KEEP: usize = 8;

/// Heaps without a thread, and all that were made.
pub struct Orphans {
    list: SpinLock<List>,
}

struct List {
    first: Option<NonNull<Heap>>,
    count: usize,
    /// The heap that was made last, with a thread or without.
    made: Option<NonNull<Heap>>,
}

// SAFETY: an orphan belongs to the list, and to whoever takes it out.
unsafe impl Send for List {}

impl Orphans {
    /// There are none.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            list: SpinLock::new(List {
                first: None,
                count: 0,
                made: None,
            }),
        }
    }

    fn take(&self) -> Option<NonNull<Heap>> {
        let mut list = self.list.lock();
        let mut heap = list.first?;
        // SAFETY: heaps of the list are whole, stay in memory, and belong to the list.
        list.first = unsafe { heap.as_mut() }.next_orphan.take();
        list.count -= 1;
        Some(heap)
    }

    fn count(&self) -> usize {
        self.list.lock().count
    }

    /// Counts in a heap that was just made.
    fn note(&self, mut heap: NonNull<Heap>) {
        let mut list = self.list.lock();
        // SAFETY: the caller has just made the heap, and nobody else knows it.
        unsafe { heap.as_mut() }.next_made = list.made;
        list.made = Some(heap);
    }

    fn put(&self, mut heap: NonNull<Heap>) {
        let mut list = self.list.lock();
        // SAFETY: the caller owned the heap and gives it to the list.
        unsafe { heap.as_mut() }.next_orphan = list.first;
        list.first = Some(heap);
        list.count += 1;
    }
}

impl<M: Machine> Space<M> {
    /// The heap for a thread that is about to start on processor `index`: an orphan, or a new one.
    /// It stays where it is for good, and is the thread's alone until [`Self::thread_exit`].
    ///
    /// # Errors
    /// No memory for a heap.
    pub fn thread_start(&self, index: u64) -> Result<NonNull<Heap>, OutOfMemory> {
        const BYTES: u64 = core::mem::size_of::<Heap>() as u64;
        const { assert!(BYTES <= 512 << 10 && core::mem::align_of::<Heap>() <= 64) };
        self.count_processor(index);
        if let Some(heap) = self.orphans.take() {
            return Ok(heap);
        }
        let at = self.arena.allocate(&self.machine, &self.blocks, BYTES);
        let at = self.machine.direct(at.ok_or(OutOfMemory)?);
        let heap = NonNull::new(at.cast::<Heap>()).ok_or(OutOfMemory)?;
        // SAFETY: a piece of metadata memory of this size, 64-byte aligned and nobody else's.
        unsafe { Heap::place(heap) };
        self.orphans.note(heap);
        Ok(heap)
    }

    /// Calls `visit` with `own` and every other heap.
    ///
    /// # Safety
    /// `own` is the calling thread's, and no other thread runs any part of the heap.
    pub(super) unsafe fn for_heaps(&self, own: &mut Heap, mut visit: impl FnMut(&Self, &mut Heap)) {
        let mine = NonNull::from(&mut *own);
        visit(self, own);
        let mut next = self.orphans.list.lock().made;
        while let Some(mut heap) = next {
            // SAFETY: a heap that was made stays in memory; the link is written once.
            next = unsafe { heap.as_ref() }.next_made;
            if heap != mine {
                // SAFETY: its thread, if it has one, stands still outside of the heap.
                visit(self, unsafe { heap.as_mut() });
            }
        }
    }

    /// Takes back the heap of a thread that has ended; what it freed last is revoked.
    ///
    /// # Safety
    /// `heap` is from [`Self::thread_start`] of this space, and nobody uses it any more.
    pub unsafe fn thread_exit(&self, mut heap: NonNull<Heap>) {
        // SAFETY: the caller gives the heap up, so it is this call's alone.
        let own = unsafe { heap.as_mut() };
        self.drain(own);
        if self.orphans.count() >= KEEP {
            self.close_fronts(own);
        }
        self.orphans.put(heap);
    }

    /// Gives up all fronts of a heap; what they have not handed out is free again.
    pub(super) fn close_fronts(&self, heap: &mut Heap) {
        for number in 0..CLASSES {
            self.close_front(&mut heap.fronts[number], number);
        }
        self.close_pages(heap);
        self.drain(heap);
    }
}
