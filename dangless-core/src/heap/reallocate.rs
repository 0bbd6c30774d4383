//! Reallocation: where an object may stay, move with its memory, or has to be copied.
//!
//! | profile | from, to | what happens |
//! | --- | --- | --- |
//! | detect | extent, extent | new addresses over the same blocks; blocks are added or given back |
//! | detect | anything else | new object, copied; the old one is freed |
//! | others | the same class, or number of blocks | the object stays |
//! | others | extent, extent | as in detect |
//! | others | anything else | new object, copied |
//!
//! In `detect` the address always changes, so that every stale pointer to the old one is found.
//! Objects of chunks share their blocks with others, and what could be moved with its pages without
//! a copy is at most a mebibyte that stays in its class: it is copied.

use core::sync::atomic::Ordering;

use super::class;
use super::machine::Machine;
use super::object::Object;
use super::space::{Heap, Space};
use super::{Layout, ReallocateError};
use crate::address::{GuestVirtual, LARGE_PAGE_SIZE};

impl<M: Machine> Space<M> {
    /// Makes the object that starts at `at` one of `size` bytes and answers its new address. After
    /// an error nothing has changed.
    ///
    /// # Errors
    /// As `free` and `allocate`.
    pub fn reallocate(
        &self,
        heap: &mut Heap,
        at: GuestVirtual,
        size: u64,
        frames: &[u64],
        thread: u64,
    ) -> Result<GuestVirtual, ReallocateError> {
        let class = class::number_for(size, 1);
        match self.object_starting_at(at)? {
            Object::Slot { class: old, .. } => {
                let same = class.is_some_and(|number| self.class(number).size == old.size);
                if same && !self.detect {
                    return Ok(at);
                }
            }
            Object::Extent(extent) if class.is_none() => {
                if !self.detect && size.div_ceil(LARGE_PAGE_SIZE) == extent.blocks() {
                    extent.size.store(size, Ordering::Relaxed);
                    return Ok(at);
                }
                if let Some(moved) = self.move_or_drain(heap, at, extent, size, frames, thread) {
                    return moved;
                }
            }
            Object::Extent(_) | Object::Forgotten(_) => {}
            Object::Paged { record, .. } => {
                let old = class::number_for(record.size.load(Ordering::Relaxed), 1);
                if class.is_some() && class == old && !self.detect {
                    record.size.store(size, Ordering::Relaxed);
                    return Ok(at);
                }
            }
        }
        self.reallocate_by_copy(heap, at, size, frames, thread)
    }

    /// Moves an extent with its blocks; `None` where there is no memory for that.
    fn move_or_drain(
        &self,
        heap: &mut Heap,
        at: GuestVirtual,
        extent: super::handle::Handle<super::extent::Extent>,
        size: u64,
        frames: &[u64],
        thread: u64,
    ) -> Option<Result<GuestVirtual, ReallocateError>> {
        if size > self.windows.bytes() {
            return None;
        }
        let stack = self.stack(frames, thread);
        let mut moved = self.move_extent(extent, size, stack);
        if matches!(moved, Err(ReallocateError::OutOfMemory(_))) {
            self.return_all(heap);
            // Its record may be another's by now, if the program has freed it meanwhile.
            match self.object_starting_at(at) {
                Ok(Object::Extent(extent)) => moved = self.move_extent(extent, size, stack),
                Ok(_) => return None,
                Err(error) => return Some(Err(error.into())),
            }
        }
        match moved {
            Err(ReallocateError::OutOfMemory(_)) => None,
            moved => Some(moved),
        }
    }

    /// A new object with a copy of what the old one holds.
    fn reallocate_by_copy(
        &self,
        heap: &mut Heap,
        at: GuestVirtual,
        size: u64,
        frames: &[u64],
        thread: u64,
    ) -> Result<GuestVirtual, ReallocateError> {
        let old = self.usable_size(at)?;
        let layout = Layout {
            size,
            align: 1,
            zeroed: false,
        };
        let new = self.allocate(heap, layout, frames, thread)?;
        self.replace(heap, (at, old), (new, size), frames, thread)
    }

    /// Copies what fits of a live object, given by address and size, into a new one, and frees the
    /// old one; answers the new one's address.
    ///
    /// # Errors
    /// The old one was freed meanwhile; the new one is freed then.
    pub fn replace(
        &self,
        heap: &mut Heap,
        (at, old): (GuestVirtual, u64),
        (new, size): (GuestVirtual, u64),
        frames: &[u64],
        thread: u64,
    ) -> Result<GuestVirtual, ReallocateError> {
        // SAFETY: both objects are live: the old one was found to be so, and a program that frees
        // it meanwhile in another thread faults in this copy as it would in its own.
        unsafe { self.machine.copy(at, new, old.min(size)) };
        if let Err(error) = self.free(heap, at, frames, thread) {
            // Another thread freed it meanwhile: the copy is nobody's.
            self.free(heap, new, frames, thread)?;
            return Err(error.into());
        }
        Ok(new)
    }
}
