//! The heap's process-wide state, and what the malloc family asks of it.
//!
//! One [`Space`] is shared by all threads; what they share is behind short spinlocks or in atomics.
//! A [`Heap`] belongs to one thread and holds what its allocations need most.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use super::arena::{pointer, Arena};
use super::blocks::Blocks;
use super::budget::Budget;
use super::chunk::{Chunk, Shelf};
use super::class::{self, position_of_page, Class, CLASSES};
use super::depot::{Depot, StackId};
use super::epoch::Epochs;
use super::extent::Extent;
use super::front::{Front, Taken};
use super::handle::{Handle, Record};
use super::lease::Spares;
use super::ledger::History;
use super::lock::SpinLock;
use super::machine::Machine;
use super::object::{entry_of, Object};
use super::paged::{PageFront, Paged};
use super::reclaim::Reclaim;
use super::revoke::{Edited, Freed, Queue, BATCH};
use super::source::Slots;
use super::threads::Orphans;
use super::window::{bit_of, Window, Windows, NOT_QUICK};
use super::{FreeError, Layout, OutOfMemory};
use crate::abi::config::{aliasing, Config};
use crate::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};

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
    /// Held while page tables of the alias region are made, and while a gibibyte gets a directory.
    pub(super) directories: SpinLock<()>,
    pub(super) spares: Spares,
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
    pub(super) paged: Paged,
    /// Freed memory is zeroed before it is handed out again, or kept.
    pub(super) zero_on_free: bool,
    /// Nothing waits longer than the next tick, whatever that takes.
    pub(super) is_bounded: bool,
    /// Nothing waits longer than the next system call, whatever that takes.
    pub(super) drains_at_calls: bool,
    /// More than one thread uses the heap, or has.
    shared: AtomicBool,
}

/// An object of a chunk that was found to be live.
struct LiveSlot {
    /// Number of its window.
    number: u64,
    window: Handle<Window>,
    position: u32,
}

/// A thread's part of the heap.
#[repr(align(64))]
pub struct Heap {
    pub(super) fronts: [Front; CLASSES],
    /// Pages, and memory, of the classic scheme.
    pub(super) pages: PageFront,
    pub(super) slots: [Slots; CLASSES],
    /// Bytes that can be freed before the clock is looked at; below zero while objects are revoked
    /// at once.
    pub(super) credit: i64,
    /// Frees come faster than they can be revoked one by one.
    pub(super) hurries: bool,
    /// The number of the stack without frames of thread `bare_thread`, or 0.
    bare_stack: StackId,
    bare_thread: u64,
    /// Room for a batch of revocations.
    pub(super) batch: [Option<Edited>; BATCH],
    /// The next heap without a thread, in their list.
    pub(super) next_orphan: Option<NonNull<Heap>>,
    /// The heap that was made before this one.
    pub(super) next_made: Option<NonNull<Heap>>,
}

impl Heap {
    /// A heap that holds nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            fronts: [Front::EMPTY; CLASSES],
            pages: PageFront::EMPTY,
            slots: [Slots::EMPTY; CLASSES],
            credit: -1,
            hurries: false,
            bare_stack: 0,
            bare_thread: 0,
            batch: [None; BATCH],
            next_orphan: None,
            next_made: None,
        }
    }
}

impl Heap {
    /// Makes a heap that holds nothing yet, in place: it is too big for a small stack.
    ///
    /// # Safety
    /// `at` is aligned, and valid for writing a heap.
    pub(super) unsafe fn place(at: NonNull<Self>) {
        let heap = at.as_ptr();
        // SAFETY: all places are fields of the heap, which the caller vouches for; each is written
        // once, and none is read.
        unsafe {
            let fronts = (&raw mut (*heap).fronts).cast::<Front>();
            let slots = (&raw mut (*heap).slots).cast::<Slots>();
            for number in 0..CLASSES {
                fronts.add(number).write(Front::EMPTY);
                slots.add(number).write(Slots::EMPTY);
            }
            (&raw mut (*heap).pages).write(PageFront::EMPTY);
            (&raw mut (*heap).credit).write(-1);
            (&raw mut (*heap).hurries).write(false);
            (&raw mut (*heap).bare_stack).write(0);
            (&raw mut (*heap).bare_thread).write(0);
            let batch = (&raw mut (*heap).batch).cast::<Option<Edited>>();
            for number in 0..BATCH {
                batch.add(number).write(None);
            }
            (&raw mut (*heap).next_orphan).write(None);
            (&raw mut (*heap).next_made).write(None);
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
        let tops = arena
            .allocate(&machine, &blocks, windows.tops_size())
            .and_then(|at| pointer(&machine, at))
            .ok_or(OutOfMemory)?;
        // SAFETY: a zeroed piece of metadata memory of the size that is wanted, used for this alone.
        windows.keep_tops(unsafe { Handle::new(tops) });
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
            spares: Spares::new(),
            shelves: [const { SpinLock::new(Shelf::new()) }; CLASSES],
            spare_chunks: SpinLock::new(None),
            depot,
            history: History::new(),
            queue: Queue::new(config.quarantine),
            epochs: Epochs::new(),
            orphans: Orphans::new(),
            paged: Paged::new(config.aliasing != aliasing::WINDOW),
            zero_on_free: config.zero_on_free != 0,
            is_bounded: config.revoke_bounded != 0,
            drains_at_calls: config.revoke_at_calls != 0,
            shared: AtomicBool::new(false),
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
        if layout.size > self.windows.bytes() || align > MOST_ALIGN {
            return Err(OutOfMemory);
        }
        let stack = self.stack(frames, thread);
        if self.paged.on {
            return self.allocate_paged(heap, layout, align, stack);
        }
        let Some(number) = class::number_for(layout.size, align) else {
            self.reclaim_if_due(heap);
            let extent = || self.allocate_extent(layout.size, align, layout.zeroed, stack);
            return extent().or_else(|_| {
                self.return_all(heap);
                extent()
            });
        };
        let taken = match heap.fronts[number].take() {
            Some(taken) => taken,
            None => self.take_or_drain(heap, number)?,
        };
        self.machine.prefetch(taken.next);
        Ok(self.finish(taken, layout, stack))
    }

    /// As `allocate`, for an object of at most a page whose stack is not recorded; `None` where that
    /// takes more than a few instructions.
    #[inline]
    pub fn allocate_quickly(
        &self,
        heap: &mut Heap,
        size: u64,
        thread: u64,
    ) -> Option<GuestVirtual> {
        if self.paged.on {
            return None;
        }
        let stack = self.quick_stack(heap, thread)?;
        let number = class::small_number_for(size)?;
        let front = heap.fronts.get_mut(number)?;
        let taken = match front.take() {
            Some(taken) => taken,
            None if self.next_line(front, self.class(number)).ok()? => front.take()?,
            None => return None,
        };
        // Its page is a new one, whose translation takes the processor long to find.
        self.machine.prefetch(taken.next);
        if let Some(entry) = taken.entry {
            entry.allocate(size as u32, stack);
        }
        Some(taken.at)
    }

    /// The number of the stack without frames, which is the same for all calls of a thread; `None`
    /// where frames are recorded.
    #[inline]
    fn quick_stack(&self, heap: &mut Heap, thread: u64) -> Option<StackId> {
        if !self.detect {
            return Some(0);
        }
        if self.stack_depth != 0 {
            return None;
        }
        if heap.bare_stack == 0 || heap.bare_thread != thread {
            heap.bare_thread = thread;
            heap.bare_stack = self.stack(&[], thread);
        }
        Some(heap.bare_stack)
    }

    #[cold]
    #[inline(never)]
    fn take_or_drain(&self, heap: &mut Heap, number: usize) -> Result<Taken, OutOfMemory> {
        self.reclaim_if_due(heap);
        self.take_slowly(heap, number).or_else(|OutOfMemory| {
            // What waits for revocation may be enough.
            self.return_all(heap);
            self.take_slowly(heap, number)
        })
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
        if let Some(slot) = self.live_slot(at) {
            return self.free_slot(heap, &slot, frames, thread);
        }
        match self.object_starting_at(at)? {
            // Freed by another thread since.
            Object::Slot { .. } => Err(FreeError::Double),
            Object::Extent(extent) => {
                if extent.live.swap(0, Ordering::AcqRel) == 0 {
                    return Err(FreeError::Double);
                }
                let stack = self.stack(frames, thread);
                extent.freed.store(stack, Ordering::Relaxed);
                self.revoke_extent(extent);
                Ok(())
            }
            Object::Paged { id, record } => {
                let stack = self.stack(frames, thread);
                self.free_paged(heap, id, record, stack)
            }
            Object::Forgotten(_) => Err(FreeError::Double),
        }
    }

    /// As `free`, for an object of at most a page whose window has a margin, by the only thread, whose
    /// stack is not recorded; answers `false`, with nothing changed, where more has to be done. Where
    /// nothing is recorded the runtime has this in assembly.
    #[inline]
    pub fn free_quickly(&self, heap: &mut Heap, at: GuestVirtual, thread: u64) -> bool {
        if !self.is_alone() || self.paged.on {
            return false;
        }
        let Some(stack) = self.quick_stack(heap, thread) else {
            return false;
        };
        let Some((_, window)) = self.windows.find(&self.machine, at) else {
            return false;
        };
        let inside = at.offset_in(LARGE_PAGE_SIZE) as u32;
        let inside = inside.wrapping_sub(window.offset.load(Ordering::Relaxed));
        if inside & (NOT_QUICK | (PAGE_SIZE as u32 - 1)) != 0 {
            return false;
        }
        let position = inside / PAGE_SIZE as u32;
        let (word, mask) = bit_of(position);
        let live = &window.live[word];
        let bits = live.load(Ordering::Relaxed);
        if bits & mask == 0 {
            return false;
        }
        let key = window.key.load(Ordering::Relaxed);
        if !window
            .chunk()
            .is_some_and(|chunk| chunk.handed_out(key, position))
        {
            return false;
        }
        let Some(margin) = window.margin.load(Ordering::Relaxed).checked_sub(1) else {
            return false;
        };
        window.margin.store(margin, Ordering::Relaxed);
        live.store(bits & !mask, Ordering::Relaxed);
        if self.detect {
            if let Some(entry) = entry_of(window, self.class_of(window), position) {
                entry.freed.store(stack, Ordering::Relaxed);
            }
        }
        true
    }

    /// The object of a chunk that starts at `at`, if one does and it is live. What `free` needs
    /// most, so no more is looked at than must be.
    #[inline]
    fn live_slot(&self, at: GuestVirtual) -> Option<LiveSlot> {
        let (number, window) = self.windows.find(&self.machine, at)?;
        let chunk = window.chunk()?;
        let class = self.class_of(window);
        let inside = at.offset_in(LARGE_PAGE_SIZE) as u32;
        let position = position_of_page(inside / PAGE_SIZE as u32, class.reciprocal);
        let offset = window.offset.load(Ordering::Relaxed) & !NOT_QUICK;
        if position.wrapping_mul(class.stride()) + offset != inside {
            return None;
        }
        let (word, mask) = bit_of(position);
        if window.live[word].load(Ordering::Acquire) & mask == 0 {
            return None;
        }
        // While the object counts as live, the chunk is this window's.
        let key = window.key.load(Ordering::Relaxed);
        chunk.handed_out(key, position).then_some(LiveSlot {
            number,
            window,
            position,
        })
    }

    #[inline]
    fn free_slot(
        &self,
        heap: &mut Heap,
        slot: &LiveSlot,
        frames: &[u64],
        thread: u64,
    ) -> Result<(), FreeError> {
        let LiveSlot {
            number,
            window,
            position,
        } = *slot;
        let (word, mask) = bit_of(position);
        let live = &window.live[word];
        let alone = self.is_alone();
        if alone {
            live.store(live.load(Ordering::Relaxed) & !mask, Ordering::Relaxed);
        } else if live.fetch_and(!mask, Ordering::SeqCst) & mask == 0 {
            return Err(FreeError::Double);
        }
        if self.detect {
            // The ledger is this window's until the object is counted out.
            if let Some(entry) = entry_of(window, self.class_of(window), position) {
                let stack = self.stack(frames, thread);
                entry.freed.store(stack, Ordering::Relaxed);
            }
        }
        let left = if alone {
            self.take_margin(window);
            window.count_out_alone()
        } else {
            window.count_out(1)
        };
        heap.credit -= weight(window);
        let due = left <= u32::from(window.trigger.load(Ordering::Relaxed));
        if due || heap.credit < 0 || !window.queued.load(Ordering::SeqCst) {
            self.revoke_slowly(
                heap,
                Freed {
                    number,
                    window,
                    position,
                    left,
                },
            );
        }
        if alone {
            self.give_margin(heap, window, window.live_count());
        }
        Ok(())
    }

    /// Says that more than one thread is going to use the heap; called while only one does, before
    /// the second one's first call.
    pub fn share(&self) {
        self.shared.store(true, Ordering::SeqCst);
    }

    /// Whether one thread uses the heap, and none other ever has.
    #[inline]
    pub(super) fn is_alone(&self) -> bool {
        !self.shared.load(Ordering::Relaxed)
    }

    /// Whether objects lie in windows and nothing is recorded about them.
    #[inline]
    pub(super) const fn is_plain(&self) -> bool {
        !self.detect && !self.paged.on
    }

    /// The addresses whose objects may be freed by [`Self::free_quickly`], as start and length.
    pub(super) fn quick_range(&self) -> (GuestVirtual, u64) {
        let quick = self.is_plain() && self.is_alone();
        let bytes = if quick { self.windows.bytes() } else { 0 };
        (self.windows.address(0), bytes)
    }

    /// Bytes that may be used of the object that starts at `at`: as many as were asked for, where
    /// that is recorded.
    ///
    /// # Errors
    /// No object starts there, or it was freed.
    pub fn usable_size(&self, at: GuestVirtual) -> Result<u64, FreeError> {
        Ok(match self.object_starting_at(at)? {
            Object::Slot {
                window,
                class,
                position,
                ..
            } => {
                let entry = entry_of(window, class, position);
                entry
                    .map_or(class.size, |entry| entry.size.load(Ordering::Relaxed))
                    .into()
            }
            Object::Extent(extent) => self.extent_size(extent),
            Object::Paged { record, .. } => record.size.load(Ordering::Relaxed),
            Object::Forgotten(_) => return Err(FreeError::Double),
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

    /// The class of a window's objects.
    #[inline]
    pub(super) fn class_of(&self, window: Handle<Window>) -> &'static Class {
        self.class(usize::from(window.class.load(Ordering::Relaxed)))
    }

    /// A new zeroed record of `bytes`, at least the size of `T`.
    pub(super) fn record<T: Record>(&self, bytes: u64) -> Option<Handle<T>> {
        self.handle(self.arena.allocate(&self.machine, &self.blocks, bytes)?)
    }

    /// Blocks of 2 MiB that objects and the heap's records lie in, those kept for later not counted.
    #[must_use]
    pub fn blocks_in_use(&self) -> u64 {
        self.blocks.in_use()
    }

    /// Takes back a record of `bytes` that nothing points to.
    pub(super) fn give_record<T: Record>(&self, record: Handle<T>, bytes: u64) {
        let at = self.physical(record.address());
        self.arena.give(&self.machine, at, bytes);
    }

    /// Drops the contents of whole pages of records: they read zero, and take no memory until they
    /// are written.
    pub(super) fn discard_records(&self, start: u64, bytes: u64) {
        if bytes != 0 {
            self.machine.discard(self.physical(start), bytes);
        }
    }

    /// Where something in the direct map lies.
    fn physical(&self, at: u64) -> GuestPhysical {
        let start = self.machine.direct(GuestPhysical(0)) as u64;
        GuestPhysical(at.wrapping_sub(start))
    }

    /// The record at `at`, in a piece of the arena.
    pub(super) fn handle<T: Record>(&self, at: GuestPhysical) -> Option<Handle<T>> {
        let at: NonNull<T> = pointer(&self.machine, at)?;
        // SAFETY: pieces are 64-byte aligned metadata memory, zeroed, and large enough.
        Some(unsafe { Handle::new(at) })
    }
}

/// Bytes that an object of the window counts when it is freed.
#[inline]
pub(super) fn weight(window: Handle<Window>) -> i64 {
    class::bytes_of(window.class.load(Ordering::Relaxed)).into()
}
