//! The heap's process-wide state, and what the malloc family asks of it.
//!
//! One [`Space`] is shared by all threads; what they share is behind short spinlocks or in atomics.
//! A [`Heap`] belongs to one thread and holds what its allocations need most.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use super::arena::{pointer, Arena};
use super::blocks::Blocks;
use super::budget::Budget;
use super::chunk::{Chunk, Shelf};
use super::class::{self, Class, CLASSES};
use super::depot::{Depot, StackId};
use super::epoch::Epochs;
use super::extent::Extent;
use super::front::{Front, Taken};
use super::handle::{Handle, Record};
use super::ledger::{History, Ledger};
use super::lock::SpinLock;
use super::machine::Machine;
use super::object::Object;
use super::reclaim::Reclaim;
use super::revoke::{Edited, Freed, Queue, BATCH};
use super::threads::Orphans;
use super::window::{bit_of, Windows};
use super::{FreeError, Layout, OutOfMemory};
use crate::abi::config::Config;
use crate::address::{GuestPhysical, GuestVirtual};

/// Largest object, as `malloc` has it: `PTRDIFF_MAX`.
pub(super) const MOST: u64 = i64::MAX as u64;
/// Largest alignment.
const MOST_ALIGN: u64 = 1 << 30;
/// [`Config::profile`] that records who allocated and freed.
const DETECT: u64 = 1;

/// The protected heap of a process.
pub struct Space<M: Machine> {
    pub(super) machine: M,
    /// Sizes and stacks are recorded.
    pub(super) detect: bool,
    stack_depth: usize,
    /// The size classes, in the order that suits the machine.
    pub(super) classes: &'static [Class; CLASSES],
    pub(super) windows: Windows,
    pub(super) blocks: Blocks,
    pub(super) arena: Arena,
    /// Held while page tables of the alias region are made.
    pub(super) directories: SpinLock<()>,
    pub(super) shelves: [SpinLock<Shelf>; CLASSES],
    /// Chunk records not in use, linked by `next`.
    pub(super) spare_chunks: SpinLock<Option<Handle<Chunk>>>,
    pub(super) depot: Depot,
    pub(super) history: History,
    pub(super) queue: Queue,
    pub(super) budget: Budget,
    pub(super) epochs: Epochs,
    pub(super) orphans: Orphans,
    pub(super) reclaim: Reclaim,
}

/// A thread's part of the heap.
pub struct Heap {
    pub(super) fronts: [Front; CLASSES],
    /// Room for a batch of revocations.
    pub(super) batch: [Option<Edited>; BATCH],
    /// The next heap without a thread, in their list.
    pub(super) next_orphan: Option<NonNull<Heap>>,
}

impl Heap {
    /// A heap that holds nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            fronts: [Front::EMPTY; CLASSES],
            batch: [None; BATCH],
            next_orphan: None,
        }
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Machine> Space<M> {
    /// An empty heap on `machine`.
    ///
    /// # Errors
    /// No memory for the stack depot.
    pub fn new(machine: M, config: &Config) -> Result<Self, OutOfMemory> {
        let (arena, blocks, mut depot) = (Arena::new(), Blocks::new(), Depot::closed());
        let detect = config.profile == DETECT;
        let windows = Windows::new(
            GuestVirtual(config.alias_start),
            GuestVirtual(config.alias_end),
        );
        if detect {
            depot.open(&machine, &arena, &blocks).ok_or(OutOfMemory)?;
        }
        Ok(Self {
            detect,
            stack_depth: config.stack_depth as usize,
            classes: if machine.directory_edits_are_immediate() {
                &class::SPREAD
            } else {
                &class::DENSE
            },
            reclaim: Reclaim::new(config.reclaim, windows.count()),
            windows,
            blocks,
            arena,
            directories: SpinLock::new(()),
            shelves: [const { SpinLock::new(Shelf::new()) }; CLASSES],
            spare_chunks: SpinLock::new(None),
            depot,
            history: History::new(),
            queue: Queue::new(),
            epochs: Epochs::new(),
            orphans: Orphans::new(),
            budget: Budget::new(config.revoke_budget, config.tsc_per_ms, machine.now()),
            machine,
        })
    }

    /// The machine under the heap.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// An object as `layout` wants it. `frames` is the stack of the call, innermost first.
    ///
    /// # Errors
    /// Memory, or addresses, have run out, or the size or alignment is beyond all bounds.
    #[inline]
    pub fn allocate(
        &self,
        heap: &mut Heap,
        layout: Layout,
        frames: &[u64],
        thread: u64,
    ) -> Result<GuestVirtual, OutOfMemory> {
        let align = layout
            .align
            .checked_next_power_of_two()
            .ok_or(OutOfMemory)?;
        if layout.size > MOST || align > MOST_ALIGN {
            return Err(OutOfMemory);
        }
        let stack = self.stack(frames, thread);
        let Some(number) = class::number_for(layout.size, align) else {
            self.reclaim_if_due(heap);
            let extent = || self.allocate_extent(layout.size, align, layout.zeroed, stack);
            return extent().or_else(|_| {
                self.return_all(heap);
                extent()
            });
        };
        let taken = match heap.fronts[number].take(self.class(number)) {
            Some(taken) => taken,
            None => match self.take_or_reclaim(heap, number) {
                Ok(taken) => taken,
                Err(OutOfMemory) => {
                    // What waits for revocation may be enough.
                    self.return_all(heap);
                    self.take_slowly(&mut heap.fronts[number], number)?
                }
            },
        };
        Ok(self.finish(taken, layout, stack))
    }

    fn take_or_reclaim(&self, heap: &mut Heap, number: usize) -> Result<Taken, OutOfMemory> {
        self.reclaim_if_due(heap);
        self.take_slowly(&mut heap.fronts[number], number)
    }

    /// Records the allocation and clears the object if it has to be.
    #[inline]
    fn finish(&self, taken: Taken, layout: Layout, stack: StackId) -> GuestVirtual {
        if let Some(entry) = taken.entry {
            entry.allocate(layout.size as u32, stack);
        }
        if layout.zeroed && !taken.zero {
            // SAFETY: the object was just handed out, so it is live and nobody else knows it.
            unsafe { self.machine.clear(taken.at, layout.size) };
        }
        taken.at
    }

    /// Frees the object that starts at `at`. After an error nothing has changed.
    ///
    /// # Errors
    /// No object starts there, or it was freed before.
    #[inline]
    pub fn free(
        &self,
        heap: &mut Heap,
        at: GuestVirtual,
        frames: &[u64],
        thread: u64,
    ) -> Result<(), FreeError> {
        let stack = |space: &Self| space.stack(frames, thread);
        match self.object_starting_at(at)? {
            Object::Slot {
                number,
                window,
                class,
                bit,
                position,
            } => {
                let (word, mask) = bit_of(position);
                if window.live[word].fetch_and(!mask, Ordering::AcqRel) & mask == 0 {
                    return Err(FreeError::Double);
                }
                // The ledger is this window's until the object is counted out.
                let ledger = window.ledger.get();
                if let Some(entry) = ledger.and_then(|ledger| Ledger::entry(ledger, bit)) {
                    entry.freed.store(stack(self), Ordering::Relaxed);
                }
                let last = window.unfreed.fetch_sub(1, Ordering::AcqRel) == 1;
                let size = u64::from(class.size);
                self.revoke(
                    heap,
                    Freed {
                        number,
                        window,
                        position,
                        size,
                        last,
                    },
                );
            }
            Object::Extent(extent) => {
                if extent.live.swap(0, Ordering::AcqRel) == 0 {
                    return Err(FreeError::Double);
                }
                extent.freed.store(stack(self), Ordering::Relaxed);
                self.revoke_extent(extent);
            }
        }
        Ok(())
    }

    /// Bytes that may be used of the object that starts at `at`: as many as were asked for, where
    /// that is recorded.
    ///
    /// # Errors
    /// No object starts there, or it was freed.
    pub fn usable_size(&self, at: GuestVirtual) -> Result<u64, FreeError> {
        Ok(match self.object_starting_at(at)? {
            Object::Slot {
                window, class, bit, ..
            } => {
                let ledger = window.ledger.get();
                let entry = ledger.and_then(|ledger| Ledger::entry(ledger, bit));
                entry
                    .map_or(class.size, |entry| entry.size.load(Ordering::Relaxed))
                    .into()
            }
            Object::Extent(extent) => self.extent_size(extent),
        })
    }

    fn extent_size(&self, extent: Handle<Extent>) -> u64 {
        if self.detect {
            extent.size.load(Ordering::Relaxed)
        } else {
            extent.capacity()
        }
    }

    /// The number of a stack, cut to the depth that is wanted.
    pub(super) fn stack(&self, frames: &[u64], thread: u64) -> StackId {
        if !self.detect {
            return 0;
        }
        let frames = &frames[..frames.len().min(self.stack_depth)];
        self.depot
            .number(&self.machine, &self.blocks, thread & 0xffff_ffff, frames)
    }

    /// The class with this number; numbers come from `class` and from records.
    pub(super) fn class(&self, number: usize) -> &'static Class {
        &self.classes[number]
    }

    /// A new zeroed record of `bytes`, at least the size of `T`.
    pub(super) fn record<T: Record>(&self, bytes: u64) -> Option<Handle<T>> {
        self.handle(self.arena.allocate(&self.machine, &self.blocks, bytes)?)
    }

    /// Takes back a record of `bytes` that nothing points to.
    pub(super) fn give_record<T: Record>(&self, record: Handle<T>, bytes: u64) {
        let start = self.machine.direct(GuestPhysical(0)) as u64;
        let at = GuestPhysical(record.address().wrapping_sub(start));
        self.arena.give(&self.machine, at, bytes);
    }

    /// The record at `at`, in a piece of the arena.
    pub(super) fn handle<T: Record>(&self, at: GuestPhysical) -> Option<Handle<T>> {
        let at: NonNull<T> = pointer(&self.machine, at)?;
        // SAFETY: pieces are 64-byte aligned metadata memory, zeroed, and large enough.
        Some(unsafe { Handle::new(at) })
    }
}
