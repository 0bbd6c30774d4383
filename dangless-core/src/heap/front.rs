//! Fronts: where a thread takes objects of one class from.
//!
//! A front goes through the free objects of one chunk, group of columns by group of columns. For
//! each group it opens a *session*: windows over those columns that have free objects, all at once,
//! which are then handed out line by line. What a front lets go of is first taken out of its window,
//! so an object of an older session is always one that was handed out.

use core::cmp::Ordering as Compared;
use core::ops::Range;
use core::sync::atomic::Ordering;

use super::chunk::{Chunk, State};
use super::class::{column_of_order, position_of_order, Class, Group, MOST_GROUP, POSITION_SHIFT};
use super::handle::Handle;
use super::lease::Lease;
use super::ledger::{Entry, Ledger};
use super::machine::Machine;
use super::reclaim::MANY;
use super::revoke::DUE;
use super::space::{Heap, Space};
use super::window::{Window, NOT_QUICK};
use super::OutOfMemory;
use crate::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE, PAGES_PER_LARGE};
use crate::paging::{Entry as TableEntry, Flags, TableMemory};

/// Rows that are looked up at a time: those of one word of each column.
const BLOCK: u32 = 64;

/// The objects a thread hands out next: a *run* of objects at equal distances, then what else its
/// line has, then the other lines of the session.
#[repr(C, align(64))]
pub struct Front {
    /// Objects of the run that are still to be handed out.
    pub left: u64,
    /// The next of them.
    pub next: GuestVirtual,
    /// From one object of a line to the next, by number.
    pub step: u64,
    /// What one such step adds to the chunk's cursor.
    pub cursor_step: u64,
    /// The chunk; there is one while there is a run.
    pub chunk: Option<Handle<Chunk>>,
    /// Objects of the line, by number, that are still to be handed out and not in the run.
    line: u64,
    /// Number in its line of the object past the run.
    run_end: u32,
    /// The memory of the session's objects was never used.
    zero: bool,
    /// The session's lines go down.
    down: bool,
    /// Where the line's object number 0 lies, or would lie.
    line_at: GuestVirtual,
    /// What the chunk's cursor is there.
    line_cursor: u64,
    /// Entry of that object.
    entries: Option<Handle<Entry>>,
    /// The next line to look at.
    next_line: u32,
    /// Lines of the session.
    lines: u32,
    group: Group,
    /// Columns that are handed out.
    mask: u64,
    /// Columns that the session began with.
    opened: u64,
    /// Number of the window of the group's first column.
    first: u64,
    /// The session, in the upper half.
    session: u64,
    /// Address of the group's first object.
    start: GuestVirtual,
    ledger: Option<Handle<Ledger>>,
    /// Windows reserved for this front, `reserved` of them, the next one first.
    reserve: u64,
    reserved: u64,
    /// The last session was over the same chunk, and was used up or let go of because nothing of it was
    /// live.
    pub(super) is_calm: bool,
    /// Something of the session was let go of because nothing of it was live.
    pub(super) spared: bool,
    /// Addresses over the whole chunk, or for the next chunk.
    pub(super) lease: Option<Lease>,
    /// Windows that an edit is due for, all in the queue: the first `due_count`.
    due: [u32; DUE],
    due_count: usize,
    /// Objects of a block of rows.
    block: [u64; BLOCK as usize],
}

/// An object that a front handed out.
pub struct Taken {
    /// Its address.
    pub at: GuestVirtual,
    /// Where the next one probably lies.
    pub next: GuestVirtual,
    /// Its entry in the ledger, where there is one.
    pub entry: Option<Handle<Entry>>,
    /// Its memory was never used.
    pub zero: bool,
}

impl Front {
    /// A front with nothing to hand out.
    pub const EMPTY: Self = Self {
        left: 0,
        next: GuestVirtual(0),
        step: 0,
        cursor_step: 0,
        chunk: None,
        line: 0,
        run_end: 0,
        zero: false,
        down: false,
        line_at: GuestVirtual(0),
        line_cursor: 0,
        entries: None,
        next_line: 0,
        lines: 0,
        group: Group::NONE,
        mask: 0,
        opened: 0,
        first: 0,
        session: 0,
        start: GuestVirtual(0),
        ledger: None,
        reserve: 0,
        reserved: 0,
        is_calm: false,
        spared: false,
        lease: None,
        due: [0; DUE],
        due_count: 0,
        block: [0; BLOCK as usize],
    };

    /// The next object of the run, if there is one. Nothing else may be done to hand an object out
    /// quickly: the runtime has this in assembly.
    #[inline]
    pub fn take_quickly(&mut self) -> Option<GuestVirtual> {
        self.left = self.left.checked_sub(1)?;
        let at = self.next;
        self.next = at.add(self.step);
        let cursor = &self.chunk?.forever().cursor;
        let next = cursor.load(Ordering::Relaxed) + self.cursor_step;
        cursor.store(next, Ordering::Release);
        Some(at)
    }

    /// The next object, if one is ready.
    #[inline]
    pub fn take(&mut self) -> Option<Taken> {
        if self.left == 0 {
            self.begin_run()?;
        }
        let number = self.run_end - self.left as u32;
        let at = self.take_quickly()?;
        let entry = self.entries.map(|entries| {
            // SAFETY: the objects of a line have their entries in one leaf.
            unsafe { entries.element(number as usize) }
        });
        Some(Taken {
            at,
            next: self.next,
            entry,
            zero: self.zero,
        })
    }

    /// Makes a run of the line's next objects.
    #[inline]
    fn begin_run(&mut self) -> Option<()> {
        if self.line == 0 {
            return None;
        }
        let start = self.line.trailing_zeros();
        let length = (!(self.line >> start)).trailing_zeros().min(64 - start);
        self.line &= !(ones(length) << start);
        self.left = length.into();
        self.run_end = start + length;
        let start = u64::from(start);
        self.next = self.line_at.add(start * self.step);
        let cursor = self.line_cursor + start * self.cursor_step;
        self.chunk?.cursor.store(cursor, Ordering::Release);
        Some(())
    }

    /// Puts what is left of the run back into its line.
    fn end_run(&mut self) {
        let left = self.left as u32;
        if left != 0 {
            self.line |= ones(left) << (self.run_end - left);
            self.left = 0;
        }
    }

    /// The chunk, if the front hands out from this window, which shows column `column` of a group.
    pub fn serves(&self, window: Handle<Window>, column: u32) -> Option<Handle<Chunk>> {
        let chunk = self.chunk?;
        let same = window.chunk()? == chunk
            && window.key.load(Ordering::Relaxed) >> 32 == self.session >> 32;
        (same && self.mask & 1 << column != 0).then_some(chunk)
    }

    /// Remembers a window that an edit is due for; answers whether no more can be remembered.
    pub fn note_due(&mut self, number: u64) -> bool {
        if let Some(place) = self.due.get_mut(self.due_count) {
            *place = number as u32;
            self.due_count += 1;
        }
        self.due_count == DUE
    }

    /// Takes the windows that an edit is due for, and how many there are.
    pub fn take_due(&mut self) -> ([u32; DUE], usize) {
        (self.due, core::mem::take(&mut self.due_count).min(DUE))
    }

    /// Calls `visit` with first and number of windows that the front hands out or has reserved.
    pub fn for_windows(&self, mut visit: impl FnMut(u64, u64)) {
        if self.opened != 0 {
            visit(self.first, self.group.columns.into());
        }
        visit(self.reserve, self.reserved);
        if let Some(lease) = self.lease {
            let (first, windows) = lease.windows();
            visit(first, windows);
        }
    }

    /// Whether the window is one of the front's lease.
    pub fn leases(&self, class: &Class, number: u64) -> bool {
        self.lease.is_some_and(|lease| lease.holds(class, number))
    }

    /// Reserves windows that were not used, unless more are reserved already.
    pub fn keep_in_reserve(&mut self, first: u64, windows: u64) {
        if windows > self.reserved {
            self.reserve = first;
            self.reserved = windows;
        }
    }

    /// The columns that are handed out, with their windows' numbers.
    pub fn columns(&self) -> impl Iterator<Item = (u32, u64)> {
        let (mask, first) = (self.mask, self.first);
        (0..MOST_GROUP)
            .filter(move |column| mask & 1 << column != 0)
            .map(move |column| (column, first + u64::from(column)))
    }

    /// Whether so many columns were dropped that a new session is better.
    pub const fn is_worn(&self) -> bool {
        self.mask.count_ones() * 2 < self.opened.count_ones()
    }

    /// Hands out nothing of the column any more; answers the first position of it that was not
    /// handed out.
    pub fn drop_column(&mut self, chunk: Handle<Chunk>, column: u32) -> u32 {
        let first = self.first_unused(chunk, column);
        self.mask &= !(1 << column);
        self.end_run();
        if !self.down {
            self.line &= self.mask;
        } else if column_of_order(self.line_cursor) == column {
            self.line = 0;
        }
        first
    }

    /// The first position of a column that was not handed out.
    pub fn first_unused(&self, chunk: Handle<Chunk>, column: u32) -> u32 {
        let cursor = chunk.cursor.load(Ordering::Relaxed);
        let (position, next) = (position_of_order(cursor), column_of_order(cursor));
        if !self.down {
            return position + u32::from(column < next);
        }
        match column.cmp(&next) {
            Compared::Less => PAGES_PER_LARGE as u32,
            Compared::Equal => position,
            Compared::Greater => 0,
        }
    }
}

/// The lowest bits, so many.
const fn ones(count: u32) -> u64 {
    match count {
        0 => 0,
        1..64 => u64::MAX >> (64 - count),
        _ => u64::MAX,
    }
}

impl<M: Machine> Space<M> {
    /// The next object of class `number`; finds a new chunk when it must.
    #[cold]
    #[inline(never)]
    pub(super) fn take_slowly(&self, heap: &mut Heap, number: usize) -> Result<Taken, OutOfMemory> {
        loop {
            let front = &mut heap.fronts[number];
            if let Some(taken) = front.take() {
                return Ok(taken);
            }
            let Some(chunk) = front.chunk else {
                if self.is_growing_idly() {
                    self.drain(heap);
                    continue;
                }
                if self.is_waiting() {
                    self.catch_up();
                    self.collect();
                }
                front.chunk = Some(self.chunk_with_room(number).ok_or(OutOfMemory)?);
                front.is_calm = false;
                continue;
            };
            if self.next_line(front, self.class(number))? {
                continue;
            }
            self.end_session(front);
            if let Some(group) = self.leased_group(front, chunk, self.class(number)) {
                if self.open_session(front, chunk, number, group)? {
                    continue;
                }
            }
            // What is closed before new windows are opened costs the new ones nothing.
            self.end_lease(heap, number);
            self.edit_due(heap, number);
            let front = &mut heap.fronts[number];
            if self.next_session(front, chunk, number)? {
                continue;
            }
            front.chunk = None;
            // The chunk may be empty once its dead windows are closed: then it can come again.
            self.edit_due(heap, number);
            chunk.set_status(State::Used, number);
            self.settle_chunk(chunk);
        }
    }

    /// Makes the next line of the session ready; answers whether there was one.
    pub(super) fn next_line(&self, front: &mut Front, class: &Class) -> Result<bool, OutOfMemory> {
        if front.mask == 0 {
            return Ok(false);
        }
        while front.next_line < front.lines {
            let line = front.next_line;
            let objects = if front.down {
                self.load_line(front, class, line)
            } else {
                if line % BLOCK == 0 {
                    self.load_block(front, line / BLOCK);
                }
                front.block[(line % BLOCK) as usize] & front.mask
            };
            if objects != 0 {
                if let Some(ledger) = front.ledger {
                    front.entries = Some(self.entries_for(ledger, line).ok_or(OutOfMemory)?);
                }
                let (position, column) = class.line_start(line);
                front.line = objects;
                front.line_at = front
                    .start
                    .add(u64::from(position) * u64::from(class.stride()))
                    .add(u64::from(column) * column_step(class));
                front.line_cursor = front.session | class.order(position, column);
                front.next_line = line + 1;
                return Ok(true);
            }
            front.next_line = line + 1;
        }
        Ok(false)
    }

    /// What the session's windows serve of a line that goes down.
    fn load_line(&self, front: &Front, class: &Class, line: u32) -> u64 {
        let (position, column) = class.line_start(line);
        if front.mask & 1 << column == 0 {
            return 0;
        }
        let number = front.first + u64::from(column);
        let window = self.windows.record(&self.machine, number);
        window.map_or(0, |window| {
            window.served[(position / 64 % 8) as usize].load(Ordering::Relaxed)
        })
    }

    /// Looks up what the session's windows serve of block `index` of the rows.
    #[inline(never)]
    fn load_block(&self, front: &mut Front, index: u32) {
        let mut all = u64::MAX;
        let mut words = [0; MOST_GROUP as usize];
        for (column, number) in front.columns() {
            let word = self
                .windows
                .record(&self.machine, number)
                .map_or(0, |window| {
                    window.served[index as usize % 8].load(Ordering::Relaxed)
                });
            words[column as usize % MOST_GROUP as usize] = word;
            all &= word;
        }
        // Whole rows first, then what single columns have beyond them.
        for (row, place) in front.block.iter_mut().enumerate() {
            *place = (all >> row & 1).wrapping_neg() & front.mask;
        }
        if all == u64::MAX {
            return;
        }
        for (column, word) in words.iter().enumerate() {
            let mut bits = word & !all;
            while bits != 0 {
                front.block[bits.trailing_zeros() as usize % BLOCK as usize] |= 1 << column;
                bits &= bits - 1;
            }
        }
    }

    /// Opens a session over the chunk's first group that has enough free objects, which is the one
    /// that the caches may still hold; answers whether there was one.
    fn next_session(
        &self,
        front: &mut Front,
        chunk: Handle<Chunk>,
        number: usize,
    ) -> Result<bool, OutOfMemory> {
        let class = self.class(number);
        let group = if self.are_windows_scarce() {
            first_column(class, chunk)
        } else {
            first_group(class, chunk)
        };
        let Some(group) = group else {
            return Ok(false);
        };
        if front.is_calm {
            self.begin_lease(front, chunk, number);
        }
        let opened = self.open_session(front, chunk, number, group);
        self.cancel_lease(front);
        opened
    }

    /// Gives up what the front hands out, and the addresses it has reserved.
    pub(super) fn close_front(&self, front: &mut Front, number: usize) {
        let Some(chunk) = front.chunk else {
            return;
        };
        self.abandon(front, chunk, number);
        self.end_session(front);
        front.lease = None;
        front.chunk = None;
        front.reserved = 0;
        chunk.set_status(State::Used, number);
        self.settle_chunk(chunk);
    }

    pub(super) fn end_session(&self, front: &mut Front) {
        if let (Some(chunk), 1..) = (front.chunk, front.lines) {
            // Whatever is still an object of the session's windows was handed out.
            let end = front.session | u64::from(u32::MAX);
            chunk.cursor.store(end, Ordering::Release);
            let used_up = front.next_line == front.lines && front.mask == front.opened;
            front.is_calm = used_up || front.spared;
        }
        front.mask = 0;
        front.line = 0;
        front.left = 0;
        front.opened = 0;
        front.lines = 0;
        front.entries = None;
        if let Some(ledger) = front.ledger.take() {
            self.leave_ledger(ledger);
        }
    }

    /// Opens windows over the free objects of `group`, and has the front hand them out.
    fn open_session(
        &self,
        front: &mut Front,
        chunk: Handle<Chunk>,
        number: usize,
        group: Group,
    ) -> Result<bool, OutOfMemory> {
        let class = self.class(number);
        let mut slots = [GuestPhysical(0); MOST_GROUP as usize];
        let leased = self.leased_windows(front, class, group);
        let (first, ledger) = match &leased {
            Some((first, _)) => (*first, self.ledger_for(number, group, *first)),
            None => {
                let first = self.windows_for(front, group.columns.into())?;
                let windows = first..first + u64::from(group.columns);
                let ready = self.find_entries(windows, &mut slots);
                (
                    first,
                    ready.and_then(|()| self.ledger_for(number, group, first)),
                )
            }
        };
        let Some(ledger) = ledger else {
            // The addresses are lost, which does no harm.
            return Err(OutOfMemory);
        };
        // Nothing fails from here on.
        let session = chunk.begin_session();
        let fresh = chunk.fresh.load(Ordering::Relaxed);
        let unused = group.first_column >= fresh;
        if unused {
            let next = group.first_column + group.columns;
            chunk.fresh.store(next, Ordering::Relaxed);
        }
        self.windows.note_opened(first, group.columns.into());
        let mut mask = 0;
        let mut taken = 0;
        for column in 0..group.columns {
            let number_here = first + u64::from(column);
            let Some(window) = self.windows.record(&self.machine, number_here) else {
                break;
            };
            let count = take_column(class, chunk, group.first_column + column, window);
            if count == 0 {
                continue;
            }
            taken += count;
            mask |= 1 << column;
            self.write_record(window, class, group.first_column + column, count);
            window.class.store(number as u8, Ordering::Relaxed);
            window
                .key
                .store(session | class.order(0, column), Ordering::Relaxed);
            window.ledger.set(ledger);
            chunk.windows.fetch_add(1, Ordering::SeqCst);
            if let Some(ledger) = ledger {
                ledger.users.fetch_add(1, Ordering::Relaxed);
            }
            window.publish_column(chunk);
        }
        chunk.free_count.fetch_sub(taken, Ordering::SeqCst);
        let leaf = TableEntry::large(chunk.memory(), Flags::DATA).bits();
        // One after the other: a host that shadows page tables stops watching a table that is
        // written many times in a row.
        for (column, &slot) in slots.iter().enumerate() {
            if mask & 1 << column != 0 && leased.is_none() {
                self.store(slot, leaf);
            }
        }
        if leased.is_some() {
            self.note_leased(front, class, group);
        }
        drop(leased);
        front.group = group;
        front.mask = mask;
        front.opened = mask;
        front.first = first;
        front.session = session;
        front.zero = unused || self.zero_on_free;
        front.ledger = ledger;
        front.spared = false;
        front.next_line = 0;
        front.lines = class.lines(group.columns);
        front.down = class.down;
        (front.step, front.cursor_step) = if class.down {
            (class.stride().into(), 1 << POSITION_SHIFT)
        } else {
            (column_step(class), 1)
        };
        let inside = class.offset(0, group.first_column);
        front.start = self.windows.address(first).add(inside.into());
        Ok(true)
    }

    /// The next windows of the front's own gibibyte, so that what happens to its directory concerns
    /// no other front; any windows for the first session, or when few are left.
    fn windows_for(&self, front: &mut Front, count: u64) -> Result<u64, OutOfMemory> {
        if front.reserved < count {
            let whole = PAGES_PER_LARGE;
            let many = self.windows.count() >= MANY;
            let own = (front.session != 0 && many && !self.are_windows_scarce())
                .then(|| self.reserve_windows(whole, whole * LARGE_PAGE_SIZE))
                .flatten();
            let Some(first) = own else {
                let reserved = self.reserve_windows(count, LARGE_PAGE_SIZE);
                return reserved.ok_or(OutOfMemory);
            };
            front.reserve = first;
            front.reserved = whole;
        }
        let first = front.reserve;
        front.reserve += count;
        front.reserved -= count;
        Ok(first)
    }

    /// Finds the directory entries of windows, and makes page tables where they are missing.
    fn find_entries(
        &self,
        windows: Range<u64>,
        slots: &mut [GuestPhysical; MOST_GROUP as usize],
    ) -> Option<()> {
        for (number, slot) in windows.zip(slots) {
            *slot = self.directory_entry(self.windows.address(number)).ok()?;
        }
        Some(())
    }

    /// A ledger for a session, where stacks are recorded.
    fn ledger_for(
        &self,
        number: usize,
        group: Group,
        first: u64,
    ) -> Option<Option<Handle<Ledger>>> {
        if !self.detect {
            return Some(None);
        }
        self.open_ledger(number, group, first).map(Some)
    }

    /// Writes the parts of a window's record that follow from its class and column.
    fn write_record(&self, window: Handle<Window>, class: &Class, column: u32, count: u32) {
        window.column.store(column as u8, Ordering::Relaxed);
        let quick = class.pages == 1;
        let offset = class.offset(0, column) | if quick { 0 } else { NOT_QUICK };
        window.offset.store(offset, Ordering::Relaxed);
        window.set_live_count(count);
        window
            .trigger
            .store(self.first_trigger(count), Ordering::Relaxed);
    }
}

/// From a column's object to the next column's.
fn column_step(class: &Class) -> u64 {
    LARGE_PAGE_SIZE + u64::from(class.size)
}

/// The first group that has enough free objects to be worth its windows.
fn first_group(class: &Class, chunk: Handle<Chunk>) -> Option<Group> {
    class
        .groups()
        .find(|&group| chunk.is_worth_windows(class, group))
}

/// The first column that has, as a group of its own: for when there are few windows.
fn first_column(class: &Class, chunk: Handle<Chunk>) -> Option<Group> {
    (0..class.columns)
        .find(|&column| chunk.free_in(class, column) >= (class.positions() / 8).max(1))
        .map(Group::single)
}

/// Takes the free objects of a column for a window's own; answers how many there were.
fn take_column(class: &Class, chunk: Handle<Chunk>, column: u32, window: Handle<Window>) -> u32 {
    let mut count = 0;
    for (index, (served, live)) in (0..).zip(window.served.iter().zip(&window.live)) {
        let bits = chunk
            .word(class, column, index)
            .map_or(0, |word| word.swap(0, Ordering::AcqRel));
        if bits != 0 {
            served.store(bits, Ordering::Relaxed);
            live.store(bits, Ordering::Relaxed);
            count += bits.count_ones();
        }
    }
    count
}
