//! Epochs: freed memory is handed out again only after every processor has flushed.
//!
//! Where a flush reaches one processor only (no shadow paging) and there are several, an edit of
//! page-table entries is followed by a wait. The *clock* counts epochs, from 1. Every processor has
//! a *word* that says up to which epoch it has flushed, or 0 while it is *outside*: it runs neither
//! program nor runtime, and flushes before it does so again. The protocol:
//!
//! - **Edit**: change the entries, full barrier, read the clock as `c`, stamp the edit with `c + 1`;
//!   all under the window's lock. The window then waits.
//! - **Catch up** ([`Space::catch_up`]; [`Space::drain`] does it too): read the clock as `c`; unless
//!   the own word is `c`, flush everything, then store `c` in the word.
//! - **Leave** ([`Space::leave`], or the VMM once the processor has stopped): store 0 in the word.
//! - **Enter** (also [`Space::catch_up`]): where the own word is 0, first store 1 there, which is
//!   less than every stamp. The VMM may instead store back what it had replaced by 0, *then* read
//!   the clock: if the two are equal nothing that this processor may remember was handed out.
//! - **Collect**: what is stamped with at most the least of the clock and all words but zeros goes
//!   back to its chunk. If something is left the clock advances by one.
//!
//! Who reads 0 in a word knows that a flush is still to come, and that takes in every edit made
//! before; who reads a number knows that the flush was done. The words lie in the per-vCPU areas,
//! the clock in the area of vCPU 0 ([`VcpuArea::flushed`], [`VcpuArea::clock`]); a fresh area is
//! outside.
//!
//! What the VMM does with several processors: it stores 0 in the word of a processor that blocks in
//! a system call or whose thread has ended, and has it catch up ([`Upcall::CatchUp`]) before it runs
//! on; once a millisecond, while any area's `pending` is set, it interrupts every processor whose
//! word is neither 0 nor the clock, and has it drain; at [`Request::Hurry`] it does so at once.
//! One processor alone, and all under shadow paging, pay one load for this.
//!
//! [`VcpuArea::flushed`]: crate::abi::area::VcpuArea::flushed
//! [`VcpuArea::clock`]: crate::abi::area::VcpuArea::clock
//! [`Upcall::CatchUp`]: crate::abi::exit::Upcall::CatchUp
//! [`Request::Hurry`]: crate::abi::exit::Request::Hurry

use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::clock;
use super::extent::Extent;
use super::handle::Handle;
use super::lock::SpinLock;
use super::machine::Machine;
use super::revoke::Edited;
use super::space::{Heap, Space};
use super::stack::Stack;
use super::window::{bit_of, Window};
use crate::address::{GuestPhysical, PAGE_SIZE};
use crate::paging::{Entry, TableMemory};

/// Looks at the words, when memory is short, before the VMM is asked again to hurry.
const LOOKS: u32 = 1000;
/// How often it is asked before the allocation fails.
const HURRIES: u32 = 5000;

/// What waits for the other processors.
pub struct Epochs {
    /// Whether anything ever has to wait.
    needed: AtomicBool,
    /// Processors that have run, those past the highest excepted.
    processors: AtomicU64,
    /// Windows that wait, linked by `next_waiting`.
    windows: Stack,
    /// First extent that waits.
    extents: SpinLock<Option<Handle<Extent>>>,
    /// How many wait.
    extent_count: AtomicU64,
    /// Held by the one that collects.
    collecting: SpinLock<()>,
}

impl Epochs {
    /// Nothing waits.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            needed: AtomicBool::new(false),
            processors: AtomicU64::new(0),
            windows: Stack::new(AtomicU64::new(0)),
            extents: SpinLock::new(None),
            extent_count: AtomicU64::new(0),
            collecting: SpinLock::new(()),
        }
    }

    /// Whether edits have to wait for other processors.
    #[must_use]
    pub fn are_needed(&self) -> bool {
        self.needed.load(Ordering::Relaxed)
    }

    fn push_extent(&self, extent: Handle<Extent>) {
        let mut first = self.extents.lock();
        extent.next_waiting.set(*first);
        *first = Some(extent);
    }
}

impl<M: Machine> Space<M> {
    /// Counts processor `index` in. Must happen before a second processor runs anything that uses
    /// the heap: edits wait from then on.
    pub(super) fn count_processor(&self, index: u64) {
        let before = self
            .epochs
            .processors
            .fetch_max(index + 1, Ordering::SeqCst);
        if before.max(index + 1) > 1 {
            self.share();
        }
        if before.max(index + 1) > 1 && !self.machine.flushes_reach_all() {
            self.epochs.needed.store(true, Ordering::SeqCst);
        }
        self.machine.clock().fetch_max(1, Ordering::SeqCst);
    }

    /// Whether no more than one processor was ever started.
    pub(super) fn has_one_processor(&self) -> bool {
        self.epochs.processors.load(Ordering::SeqCst) <= 1
    }

    /// Flushes, if other processors have advanced the clock since this one did last, and says so;
    /// where it was outside, it is not any more.
    pub fn catch_up(&self) {
        if self.machine.flushes_reach_all() {
            return;
        }
        let word = self.machine.flushed(self.machine.processor());
        clock::catch_up(self.machine.clock(), word, || self.machine.flush_all());
    }

    /// This processor runs nothing more that uses the heap until it has caught up.
    pub fn leave(&self) {
        clock::leave(self.machine.flushed(self.machine.processor()));
    }

    /// Whether something waits for other processors.
    pub(super) fn is_waiting(&self) -> bool {
        !self.epochs.windows.is_empty()
            || self.epochs.extent_count.load(Ordering::Relaxed) != 0
            || self.paged.is_waiting()
    }

    /// Makes an edited window wait, where it has to; its lock is held.
    pub(super) fn wait_after_edit(&self, number: u64, window: &Window) -> bool {
        if !self.epochs.are_needed() {
            return false;
        }
        let stamp = clock::stamp(self.machine.clock());
        if window.epoch.swap(stamp, Ordering::Relaxed) == 0 {
            self.epochs.windows.push(number, &window.next_waiting);
        }
        true
    }

    /// Makes an extent wait whose addresses are gone; answers `false` where it need not.
    pub(super) fn wait_after_unmap(&self, extent: Handle<Extent>) -> bool {
        if !self.epochs.are_needed() {
            return false;
        }
        let stamp = clock::stamp(self.machine.clock());
        extent.epoch.store(stamp, Ordering::Relaxed);
        self.epochs.extent_count.fetch_add(1, Ordering::Relaxed);
        self.epochs.push_extent(extent);
        true
    }

    /// The latest epoch that every processor has flushed in.
    fn flushed_by_all(&self) -> u64 {
        let processors = self.epochs.processors.load(Ordering::SeqCst);
        let words = (0..processors).map(|index| self.machine.flushed(index));
        clock::flushed_by_all(self.machine.clock(), words)
    }

    /// Returns what every processor has flushed since. Does nothing while somebody else does this.
    pub(super) fn collect(&self) {
        if !self.epochs.are_needed() {
            return;
        }
        let Some(_collecting) = self.epochs.collecting.try_lock() else {
            return;
        };
        let safe = self.flushed_by_all();
        self.collect_windows(safe);
        self.collect_extents(safe);
        self.collect_paged(safe);
        if self.is_waiting() {
            clock::advance(self.machine.clock(), safe);
        }
    }

    fn collect_windows(&self, safe: u64) {
        let mut next = self.epochs.windows.take();
        while let Some(number) = next.checked_sub(1) {
            let Some(window) = self.windows.record(&self.machine, number) else {
                break;
            };
            next = u64::from(window.next_waiting.load(Ordering::Relaxed));
            match self.flushed_edit(window, safe) {
                Some(edited) => self.return_objects(&edited),
                None => self.epochs.windows.push(number, &window.next_waiting),
            }
        }
    }

    /// What may be returned of a window that waits, unless it has been edited after `safe`.
    fn flushed_edit(&self, window: Handle<Window>, safe: u64) -> Option<Edited> {
        let _edits = window.edit();
        if window.epoch.load(Ordering::Relaxed) > safe {
            return None;
        }
        window.epoch.store(0, Ordering::Relaxed);
        let class = self.class(usize::from(window.class.load(Ordering::Relaxed)));
        let closed = window.closed.load(Ordering::Relaxed);
        let table = window.table();
        let mut objects = window.pending();
        if !closed {
            // Objects freed since, whose page is still there, have yet to be edited.
            for position in 0..class.positions() {
                let (word, mask) = bit_of(position);
                if objects[word] & mask != 0 && !self.is_cut(table, position * class.pages) {
                    objects[word] &= !mask;
                }
            }
        }
        let counts = closed && !window.counted.swap(true, Ordering::Relaxed);
        if counts {
            window.set_table(None);
        }
        let table = table.filter(|_| counts);
        Some(Edited::flushed(window, objects, table, counts))
    }

    /// Whether the page of a window that was split into `table` is taken out.
    fn is_cut(&self, table: Option<GuestPhysical>, page: u32) -> bool {
        table.is_some_and(|table| {
            let at = table.add(u64::from(page) % (PAGE_SIZE / 8) * 8);
            !Entry::from_bits(self.load(at)).is_present()
        })
    }

    fn collect_extents(&self, safe: u64) {
        let mut next = self.epochs.extents.lock().take();
        while let Some(extent) = next {
            next = extent.next_waiting.take();
            if extent.epoch.load(Ordering::Relaxed) <= safe {
                self.epochs.extent_count.fetch_sub(1, Ordering::Relaxed);
                self.give_extent(extent);
            } else {
                self.epochs.push_extent(extent);
            }
        }
    }

    /// While all other processors stand still: returns everything that waited for them.
    pub(super) fn return_stopped(&self) {
        for _ in 0..2 {
            self.catch_up();
            self.collect();
        }
    }

    /// Whether all other processors are outside.
    pub(super) fn is_alone_inside(&self) -> bool {
        let own = self.machine.processor();
        let processors = self.epochs.processors.load(Ordering::SeqCst);
        let mut others = (0..processors).filter(|&index| index != own);
        others.all(|index| self.machine.flushed(index).load(Ordering::SeqCst) == 0)
    }

    /// Has every processor that is outside flush before it runs on; this one has.
    pub(super) fn begin_epoch(&self) {
        if self.epochs.are_needed() {
            self.machine.clock().fetch_add(1, Ordering::SeqCst);
            self.catch_up();
        }
    }

    /// Memory, or addresses, are short: sees everything that was freed returned, whatever it takes.
    pub(super) fn return_all(&self, heap: &mut Heap) {
        self.drain(heap);
        self.reclaim_in_need(heap);
        for _ in 0..HURRIES {
            if !self.is_waiting() {
                return;
            }
            self.machine.hurry();
            for _ in 0..LOOKS {
                self.catch_up();
                if self.flushed_by_all() == self.machine.clock().load(Ordering::SeqCst) {
                    break;
                }
                spin_loop();
            }
            self.collect();
            self.catch_up();
            self.collect();
        }
    }
}
