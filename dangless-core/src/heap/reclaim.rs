//! Reclaim: windows whose objects are all gone, and that no word points into, are used again.
//!
//! Addresses are handed out once, until so many windows were used since the last time
//! ([`Config::reclaim`]), or none are left. Then the words that the program can reach are looked
//! through conservatively: registers, stacks, globals, mappings ([`Machine::roots`]) and all live
//! objects. Any word that could be an address in a window, whatever its upper 17 bits, marks the
//! window, and the end of an object marks its own. What stays in use:
//!
//! - windows with an object that is live, or freed and not yet back in its chunk;
//! - windows that a front has reserved or hands out;
//! - marked ones. Extents are reclaimed whole or not at all.
//!
//! All others are cut into runs of neighbours, which [`Space::reserve_windows`] hands out again. Their
//! records are cleared at once, so what was freed there is not known any more, and the directories
//! in which nothing is left go back. Pointers that the program hides (in files, compressed, packed
//! at odd addresses) are not found.
//!
//! The world stands still meanwhile: the processor that reclaims is in an allocation, and holds no
//! lock; all others are stopped ([`Machine::stop`]) where they run no part of the heap, with their
//! registers as roots. What waited for their flushes is returned then, since they are outside, and
//! they flush before they go on. Of several that want to reclaim at once one does, and serves all.
//!
//! [`Config::reclaim`]: crate::abi::config::Config::reclaim

use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::blocks::Run;
use super::class::CLASSES;
use super::extent::Extent;
use super::handle::Handle;
use super::lock::SpinLock;
use super::machine::{Machine, Stop};
use super::space::{Heap, Space};
use super::window::{Use, Window, GROUP, RECORD_SIZE};
use crate::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE};
use crate::paging::{Entry, Flush, Level, TableMemory};

/// Bits of an address; programs may keep other things above.
const ADDRESS_BITS: u32 = 47;
/// Windows used before the first reclaim, unless the configuration says otherwise: 64 MiB of records.
const WINDOWS: u64 = 1 << 18;
/// Runs that are looked at for one that fits, while there are fresh windows.
const LOOKS: u32 = 32;
/// Windows that a directory covers.
const DIRECTORY: u64 = 512;
/// Windows of a region in which fronts can have directories of their own.
pub const MANY: u64 = DIRECTORY * CLASSES as u64 * 4;

/// When to reclaim, and what was reclaimed.
pub struct Reclaim {
    /// Windows used between two reclaims; 0 to never reclaim.
    period: u64,
    /// Windows handed out, ever.
    used: AtomicU64,
    /// The value of `used` at which to reclaim.
    due: AtomicU64,
    /// The value of `used` at the last reclaim.
    used_before: AtomicU64,
    /// When the last reclaim ended, and how long it took.
    ended: AtomicU64,
    took: AtomicU64,
    /// Number of the first run's first window + 1, or 0. There the record holds its length in
    /// `next_waiting` and the next run in `next`.
    runs: SpinLock<u64>,
    /// Windows in runs.
    free: AtomicU64,
    /// There were no windows for an object.
    short: AtomicBool,
    /// How often windows were looked for.
    rounds: AtomicU64,
}

impl Reclaim {
    /// For a region of `windows`; `asked` is what the configuration says.
    #[must_use]
    pub fn new(asked: u64, windows: u64) -> Self {
        let period = match asked {
            0 => WINDOWS.min(windows / 4).max(1),
            u64::MAX => 0,
            asked => asked,
        };
        Self {
            period,
            used: AtomicU64::new(0),
            due: AtomicU64::new(if period == 0 { u64::MAX } else { period }),
            used_before: AtomicU64::new(u64::MAX),
            ended: AtomicU64::new(0),
            took: AtomicU64::new(0),
            runs: SpinLock::new(0),
            free: AtomicU64::new(0),
            short: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
        }
    }

    /// Windows that were used and can be used again.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }
}

/// One bit for each window.
struct Marks {
    run: Run,
    words: Handle<AtomicU64>,
    start: u64,
    count: u64,
}

impl Marks {
    fn get(&self, number: u64) -> bool {
        let (word, mask) = (number / 64, 1 << (number % 64));
        // SAFETY: there is a bit for each window, and `number` is below their count.
        let word = unsafe { self.words.element(word as usize) };
        number < self.count && word.load(Ordering::Relaxed) & mask != 0
    }

    fn set(&self, number: u64) {
        if number < self.count {
            // SAFETY: as in `get`.
            let word = unsafe { self.words.element((number / 64) as usize) };
            word.store(
                word.load(Ordering::Relaxed) | 1 << (number % 64),
                Ordering::Relaxed,
            );
        }
    }

    /// Marks what `word` may point to.
    #[inline]
    fn word(&self, word: u64) {
        let at = (word & ((1 << ADDRESS_BITS) - 1)).wrapping_sub(self.start);
        let number = at / LARGE_PAGE_SIZE;
        if number > self.count {
            return;
        }
        self.set(number);
        if at % LARGE_PAGE_SIZE == 0 && number > 0 {
            // The end of an object.
            self.set(number - 1);
        }
    }
}

impl<M: Machine> Space<M> {
    /// Takes `count` windows in a row, the first at a multiple of `align` bytes.
    pub(super) fn reserve_windows(&self, count: u64, align: u64) -> Option<u64> {
        let align = align.max(LARGE_PAGE_SIZE);
        let found = self
            .take_run(count, align, LOOKS)
            .or_else(|| self.windows.reserve(count, align))
            .or_else(|| self.take_run(count, align, u32::MAX));
        match found {
            Some(_) => self.reclaim.used.fetch_add(count, Ordering::Relaxed),
            None => u64::from(self.reclaim.short.swap(true, Ordering::Relaxed)),
        };
        found
    }

    /// Counts windows that were reserved and will never be opened as not used.
    pub(super) fn count_unused(&self, windows: u64) {
        self.reclaim.used.fetch_sub(windows, Ordering::Relaxed);
    }

    /// Windows from the first of `looks` runs that has them.
    fn take_run(&self, count: u64, align: u64, looks: u32) -> Option<u64> {
        if self.reclaim.free() < count {
            return None;
        }
        let mut head = self.reclaim.runs.lock();
        let mut previous: Option<Handle<Window>> = None;
        let mut at = *head;
        for _ in 0..looks {
            let first = at.checked_sub(1)?;
            let record = self.windows.record(&self.machine, first)?;
            let length = u64::from(record.next_waiting.load(Ordering::Relaxed));
            let next = u64::from(record.next.load(Ordering::Relaxed));
            let address = self.windows.address(first);
            let start = first + (address.align_up(align).0 - address.0) / LARGE_PAGE_SIZE;
            if start + count > first + length {
                previous = Some(record);
                at = next;
                continue;
            }
            record.next_waiting.store(0, Ordering::Relaxed);
            record.next.store(0, Ordering::Relaxed);
            // What is left on either side stays in the list, in this run's place.
            let mut after = next;
            for (from, to) in [(start + count, first + length), (first, start)] {
                if from < to {
                    self.link_run(from, to - from, after)?;
                    after = from + 1;
                }
            }
            match previous {
                Some(previous) => previous.next.store(after as u32, Ordering::Relaxed),
                None => *head = after,
            }
            self.reclaim.free.fetch_sub(count, Ordering::Relaxed);
            return Some(start);
        }
        None
    }

    fn link_run(&self, first: u64, length: u64, next: u64) -> Option<()> {
        let record = self.windows.record(&self.machine, first)?;
        record.next_waiting.store(length as u32, Ordering::Relaxed);
        record.next.store(next as u32, Ordering::Relaxed);
        Some(())
    }

    /// Reclaims if it is time to.
    #[inline]
    pub(super) fn reclaim_if_due(&self, heap: &mut Heap) {
        if self.reclaim.used.load(Ordering::Relaxed) >= self.reclaim.due.load(Ordering::Relaxed) {
            self.reclaim_stopped(heap, false);
        }
    }

    /// Whether more than half of all windows are in use, or were and have not been reclaimed.
    pub(super) fn are_windows_scarce(&self) -> bool {
        let used = self.windows.used().saturating_sub(self.reclaim.free());
        used > self.windows.count() / 2
    }

    /// Whether addresses may be spent to save time.
    pub(super) fn are_windows_plenty(&self) -> bool {
        let used = self.windows.used().saturating_sub(self.reclaim.free());
        self.windows.count() >= MANY && used < self.windows.count() / 4
    }

    /// Reclaims if there were no windows for an object. If nothing was handed out since the last time,
    /// no more than half of the run time goes into this.
    pub(super) fn reclaim_in_need(&self, heap: &mut Heap) {
        if !self.reclaim.short.swap(false, Ordering::Relaxed) {
            return;
        }
        let ended = self.reclaim.ended.load(Ordering::Relaxed);
        let took = self.reclaim.took.load(Ordering::Relaxed);
        let used = self.reclaim.used.load(Ordering::Relaxed);
        let in_vain = used == self.reclaim.used_before.load(Ordering::Relaxed)
            && self.machine.now().saturating_sub(ended) < took;
        if self.reclaim.period != 0 && !in_vain {
            self.reclaim_stopped(heap, true);
        }
    }

    /// Finds the windows that can be used again; answers how many there are. `heap` is the
    /// calling thread's, whose registers are those of an allocation.
    pub fn reclaim(&self, heap: &mut Heap) -> u64 {
        self.reclaim_stopped(heap, false)
    }

    /// Has all other processors stand still, and reclaims, unless another one has done so
    /// meanwhile. In need the windows that fronts have set aside are given up.
    fn reclaim_stopped(&self, heap: &mut Heap, need: bool) -> u64 {
        // Others may look at this heap while this thread waits: it has to be in memory.
        let heap = black_box(heap);
        let round = self.reclaim.rounds.load(Ordering::SeqCst);
        if self.has_one_processor() {
            return self.reclaim_alone(heap, need, true);
        }
        loop {
            let stop = self.machine.stop();
            self.catch_up();
            let served = self.reclaim.rounds.load(Ordering::SeqCst) != round
                && (!need || self.reclaim.free() > 0);
            match stop {
                Stop::Busy if served => return 0,
                Stop::Busy => {}
                Stop::Refused => return self.reclaim_alone(heap, false, false),
                Stop::Done => {
                    let found = if served {
                        0
                    } else {
                        self.reclaim_alone(heap, need, true)
                    };
                    self.machine.resume();
                    return found;
                }
            }
        }
    }

    /// Reclaims, if it `may`, while no other processor runs anything; says when the next time is.
    fn reclaim_alone(&self, heap: &mut Heap, need: bool, may: bool) -> u64 {
        let began = self.machine.now();
        self.drain(heap);
        let found = if may { self.look_for(heap, need) } else { None };
        let ended = self.machine.now();
        let period = self.reclaim.period;
        // What yields little is done less often.
        let wait = match found {
            Some(found) if found >= period / 2 => period,
            _ => period * 2,
        };
        let used = self.reclaim.used.load(Ordering::Relaxed);
        self.reclaim.due.store(used + wait, Ordering::Relaxed);
        self.reclaim.used_before.store(used, Ordering::Relaxed);
        self.reclaim.ended.store(ended, Ordering::Relaxed);
        self.reclaim
            .took
            .store(ended.saturating_sub(began), Ordering::Relaxed);
        found.unwrap_or(0)
    }

    /// Makes runs of the windows that can be used again; no other processor runs anything.
    fn look_for(&self, heap: &mut Heap, need: bool) -> Option<u64> {
        // SAFETY: every other thread stands still, outside of the heap or in `Machine::stop`.
        unsafe {
            self.for_heaps(heap, |space, heap| {
                if need {
                    // What is missing may be set aside here.
                    space.close_fronts(heap);
                }
                // All that was due has been edited.
                for front in &mut heap.fronts {
                    let _ = front.take_due();
                }
            });
        }
        self.return_stopped();
        let marks = self.mark(heap)?;
        let found = self.sweep(&marks);
        self.reclaim.rounds.fetch_add(1, Ordering::SeqCst);
        let run = marks.run;
        self.blocks.give(&self.machine, Run { zero: false, ..run });
        Some(found)
    }

    /// Marks the windows that are in use or that some word points into.
    fn mark(&self, heap: &mut Heap) -> Option<Marks> {
        let count = self.windows.used();
        let blocks = count.div_ceil(8 * LARGE_PAGE_SIZE).max(1);
        let run = self.blocks.take(&self.machine, blocks)?;
        let marks = Marks {
            run,
            words: self.handle(run.start)?,
            start: self.windows.address(0).0,
            count,
        };
        for word in 0..count.div_ceil(64) {
            // SAFETY: the blocks have a bit for each window.
            unsafe { marks.words.element(word as usize) }.store(0, Ordering::Relaxed);
        }
        if !self.machine.roots(|word| marks.word(word)) {
            self.blocks.give(&self.machine, Run { zero: false, ..run });
            return None;
        }
        // SAFETY: as in `look_for`.
        unsafe {
            self.for_heaps(heap, |_, heap| {
                for front in &heap.fronts {
                    front.for_windows(|first, windows| {
                        (first..first + windows).for_each(|number| marks.set(number));
                    });
                }
            });
        }
        self.mark_shared(&marks);
        for number in 0..count {
            let Some(window) = self.windows.opened(&self.machine, number) else {
                continue;
            };
            match window.used_as() {
                Use::Nothing => {}
                // Their addresses are used once.
                Use::Pages => marks.set(number),
                Use::Column if is_dead(&window) => {}
                Use::Column => {
                    marks.set(number);
                    self.mark_from_column(&marks, window);
                }
                Use::Extent => self.mark_from_extent(&marks, number),
            }
        }
        // A word that points anywhere into an extent keeps all of it.
        for number in 0..count {
            if let Some((extent, true)) = self.extent_at(number) {
                let windows = number..number + extent.blocks();
                if windows.clone().any(|number| marks.get(number)) {
                    windows.for_each(|number| marks.set(number));
                }
            }
        }
        Some(marks)
    }

    /// Nothing else may be opened next to the windows of a directory that belongs to a chunk.
    fn mark_shared(&self, marks: &Marks) {
        for number in (0..marks.count).step_by(DIRECTORY as usize) {
            let at = self
                .windows
                .address(number)
                .align_up(DIRECTORY * LARGE_PAGE_SIZE);
            if let (true, Some(first)) = (self.is_shared(at), self.windows.number_of(at)) {
                (first..first + DIRECTORY).for_each(|number| marks.set(number));
            }
        }
    }

    /// The extent that the window is part of, and whether it is its first.
    fn extent_at(&self, number: u64) -> Option<(Handle<Extent>, bool)> {
        let extent = self.windows.opened(&self.machine, number)?.extent()?;
        let start = GuestVirtual(extent.start.load(Ordering::Relaxed));
        Some((extent, self.windows.number_of(start) == Some(number)))
    }

    /// The objects are read where they lie in physical memory: at its own address each of them may be
    /// on a page that the host has yet to show there.
    fn mark_from_column(&self, marks: &Marks, window: Handle<Window>) {
        let Some(chunk) = window.chunk() else {
            return;
        };
        let class = self.class(usize::from(window.class.load(Ordering::Relaxed)));
        let column = u32::from(window.column.load(Ordering::Relaxed));
        let key = window.key.load(Ordering::Relaxed);
        let memory = chunk.memory();
        for (word, (live, served)) in window.live.iter().zip(&window.served).enumerate() {
            let mut left = live.load(Ordering::Relaxed) & served.load(Ordering::Relaxed);
            while left != 0 {
                let position = word as u32 * 64 + left.trailing_zeros();
                left &= left - 1;
                if chunk.handed_out(key, position) {
                    let at = memory.add(class.offset(position, column).into());
                    self.mark_from_object(marks, at, class.size.into());
                }
            }
        }
    }

    fn mark_from_object(&self, marks: &Marks, at: GuestPhysical, bytes: u64) {
        let start = self.machine.direct(at).cast::<u64>();
        for word in 0..bytes as usize / 8 {
            // SAFETY: an object of a chunk lies in granted memory, at a multiple of its 16 bytes, and
            // whoever writes it stands still.
            marks.word(unsafe { start.wrapping_add(word).read_volatile() });
        }
    }

    /// Once for each extent, at its first window.
    fn mark_from_extent(&self, marks: &Marks, number: u64) {
        let Some((extent, true)) = self.extent_at(number) else {
            return;
        };
        let live = extent.live.load(Ordering::Relaxed) != 0;
        if live || self.has_blocks(extent) {
            marks.set(number);
        }
        if live {
            let bytes = extent.size.load(Ordering::Relaxed).next_multiple_of(8);
            let start = self.windows.address(number);
            self.machine
                .words(start, bytes.min(extent.capacity()), |word| marks.word(word));
        }
    }

    /// Makes runs of what is not marked.
    fn sweep(&self, marks: &Marks) -> u64 {
        let mut head = self.reclaim.runs.lock();
        *head = 0;
        let mut found = 0;
        // Backwards, so that low addresses come first in the list.
        let mut end = marks.count;
        while end > 0 {
            let mut first = end;
            while first > 0 && !marks.get(first - 1) {
                first -= 1;
            }
            if first == end {
                end -= 1;
                continue;
            }
            // An extent's first window has the extent's record, so it goes last.
            for number in (first..end).rev() {
                self.clear_record(number);
            }
            let mut group = first.next_multiple_of(GROUP);
            while group + GROUP <= end {
                self.windows.note_cleared(group);
                group += GROUP;
            }
            if self.link_run(first, end - first, *head).is_some() {
                *head = first + 1;
                found += end - first;
            }
            end = first;
        }
        self.reclaim.free.store(found, Ordering::Relaxed);
        self.give_directories(*head);
        found
    }

    /// Forgets what a window was.
    fn clear_record(&self, number: u64) {
        let Some(window) = self.windows.opened(&self.machine, number) else {
            return;
        };
        if let Some((extent, true)) = self.extent_at(number) {
            self.give_record(extent, core::mem::size_of::<Extent>() as u64);
        }
        window.retract();
        for word in 0..RECORD_SIZE as usize / 8 {
            // SAFETY: a record is made of atomics and padding and has this many words.
            let word = unsafe { AtomicU64::from_ptr((window.address() as *mut u64).add(word)) };
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Gives back the directories whose windows are all in runs. No processor but this one may
    /// remember them, but those that flush before they go on.
    fn give_directories(&self, runs: u64) {
        if self.epochs.are_needed() && !self.is_alone_inside() {
            return;
        }
        let mut at = runs;
        while let Some(first) = at.checked_sub(1) {
            let Some(record) = self.windows.record(&self.machine, first) else {
                break;
            };
            let end = first + u64::from(record.next_waiting.load(Ordering::Relaxed));
            at = u64::from(record.next.load(Ordering::Relaxed));
            let mut number = first;
            while number + DIRECTORY <= end {
                let address = self.windows.address(number);
                if !address.is_aligned(DIRECTORY * LARGE_PAGE_SIZE) {
                    number += 1;
                    continue;
                }
                if let Some(slot) = self.mapper().find_entry(address, Level::Pointers) {
                    let entry = Entry::from_bits(self.load(slot));
                    if entry.is_present() {
                        self.store(slot, Entry::ABSENT.bits());
                        Flush::all().redeem(&self.machine);
                        self.give_table(entry.frame());
                    }
                }
                number += DIRECTORY;
            }
        }
        self.begin_epoch();
    }
}

/// Whether all of the window's objects are gone, and nothing of it is left to be done.
fn is_dead(window: &Window) -> bool {
    window.closed.load(Ordering::Relaxed)
        && !window.queued.load(Ordering::Relaxed)
        && window.epoch.load(Ordering::Relaxed) == 0
        && window.pending().iter().all(|&word| word == 0)
}
