//! Leases: fresh addresses over all columns of a chunk, opened and closed by one store.
//!
//! Where a host shadows page tables every directory entry that is opened costs a fault, and closing
//! one costs a trap. A lease is a gibibyte of addresses whose entry points to a directory that
//! belongs to the chunk and maps nothing but it. That directory is written once, so the host's
//! shadow of it stays as it is, and the next lease of the chunk finds it filled.
//!
//! A chunk has a few such directories, one for each *turn*: turn `t` maps the windows from
//! `t * columns` on, so a gibibyte serves several leases one after the other and no address twice.
//!
//! Guarantees:
//! - A shared directory is not written while an entry points to it. Whoever has to edit one window
//!   first gives the gibibyte a directory of its own (`own_entry`), under the lock `directories`;
//!   memory for it was set aside when the lease began, so this cannot fail.
//! - When the last window of a chunk has closed no entry points to a directory of that chunk.

use core::sync::atomic::Ordering;

use super::chunk::{Chunk, MOST_TURNS};
use super::class::{Class, Group};
use super::front::Front;
use super::handle::Handle;
use super::lock::{Guard, SpinLock};
use super::machine::Machine;
use super::revoke::Edited;
use super::space::{Heap, Space};
use super::window::{Use, Window};
use crate::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE, PAGES_PER_LARGE};
use crate::paging::{Entry, Flags, Flush, Level, TableMemory};

/// Windows of a gibibyte.
pub const GIBIBYTE: u64 = PAGES_PER_LARGE;
/// Most columns of a class that is leased: those of a group would be too many to hold locks of.
const MOST_COLUMNS: usize = 256;
/// Fewest columns, with one object on each page: below, a lease is no cheaper than its windows.
const FEWEST_COLUMNS: u32 = 4;
/// One column in so many, or one at all, may have a window left when a lease begins: else objects do
/// not die young.
const SURVIVORS: u32 = 8;
/// Windows over one chunk that leases may use: a host that shadows page tables minds a thousand.
const WINDOWS: u32 = 256;

/// Addresses that a front leases.
#[derive(Clone, Copy)]
pub struct Lease {
    /// Number of the gibibyte's first window.
    gibibyte: u64,
    /// Which of the chunk's directories is used, or is next.
    turn: u32,
    /// The entry of the gibibyte.
    slot: GuestPhysical,
    /// The entry was set; it may point to a directory of the gibibyte's own by now.
    open: bool,
    /// First columns, divided by the size of a group, of the groups that were opened.
    groups: u32,
}

impl Lease {
    /// Number of the window of the chunk's first column.
    fn first(&self, class: &Class) -> u64 {
        self.gibibyte + u64::from(self.turn * class.columns)
    }

    /// Whether the window is one of the open lease.
    pub fn holds(&self, class: &Class, number: u64) -> bool {
        let first = self.first(class);
        self.open && (first..first + u64::from(class.columns)).contains(&number)
    }

    /// The windows that nobody else may use.
    pub const fn windows(&self) -> (u64, u64) {
        (self.gibibyte, GIBIBYTE)
    }
}

/// How many leases of the class's chunks one gibibyte has addresses for.
const fn turns(class: &Class) -> u32 {
    let turns = WINDOWS / class.columns;
    if turns < MOST_TURNS as u32 {
        turns
    } else {
        MOST_TURNS as u32
    }
}

/// Tables set aside, one for each gibibyte that uses a shared directory; each holds the address of
/// the next in its first word.
pub struct Spares {
    first: SpinLock<u64>,
}

impl Spares {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: SpinLock::new(0),
        }
    }
}

impl<M: Machine> Space<M> {
    /// Whether leases may be used at all, for objects of this class: what is freed of one waits for its
    /// end, or for a drain.
    fn can_lease(&self, class: &Class) -> bool {
        self.machine.directory_edits_are_immediate()
            && !self.budget.is_unlimited()
            && self.machine.flushes_reach_all()
            && class.pages == 1
            && (FEWEST_COLUMNS..=MOST_COLUMNS as u32).contains(&class.columns)
            && self.are_windows_plenty()
    }

    /// Begins a lease of the chunk, if its objects seem to die young: hardly any window is open.
    pub(super) fn begin_lease(&self, front: &mut Front, chunk: Handle<Chunk>, number: usize) {
        let class = self.class(number);
        let open = chunk.windows.load(Ordering::Relaxed);
        if open > (class.columns / SURVIVORS).max(1) || !self.can_lease(class) {
            return;
        }
        let Some(mut lease) = front.lease.or_else(|| self.new_lease(class)) else {
            return;
        };
        lease.open = false;
        lease.groups = 0;
        front.lease = Some(lease);
        let Some(directory) = self.shared_directory(chunk, class, lease.turn) else {
            return;
        };
        if self.set_aside().is_none() {
            return;
        }
        let entry = Entry::table(directory).bits() | Entry::SHARED;
        self.store(lease.slot, entry);
        lease.open = true;
        front.lease = Some(lease);
    }

    fn new_lease(&self, class: &Class) -> Option<Lease> {
        let bytes = GIBIBYTE * LARGE_PAGE_SIZE;
        let gibibyte = self.reserve_windows(GIBIBYTE, bytes)?;
        self.count_unused(GIBIBYTE - u64::from(turns(class) * class.columns));
        let at = self.windows.address(gibibyte);
        let _one_at_a_time = self.directories.lock();
        let slot = self.mapper().entry_for(at, Level::Pointers).ok()?;
        let free = !Entry::from_bits(self.load(slot)).is_present();
        free.then_some(Lease {
            gibibyte,
            turn: 0,
            slot,
            open: false,
            groups: 0,
        })
    }

    /// The chunk's directory for a turn, made if it does not exist.
    fn shared_directory(
        &self,
        chunk: Handle<Chunk>,
        class: &Class,
        turn: u32,
    ) -> Option<GuestPhysical> {
        let place = chunk.directories.get(turn as usize)?;
        let found = place.load(Ordering::Relaxed);
        if found != 0 {
            return Some(GuestPhysical(found));
        }
        let made = self.allocate_table()?;
        let leaf = Entry::large(chunk.memory(), Flags::DATA).bits();
        for column in 0..class.columns {
            let index = turn * class.columns + column;
            self.store(made.add(u64::from(index) * 8), leaf);
        }
        place.store(made.0, Ordering::Relaxed);
        Some(made)
    }

    /// Gives back the directories of a chunk that is empty.
    pub(super) fn give_shared_directories(&self, chunk: Handle<Chunk>) {
        for place in &chunk.directories {
            let table = place.swap(0, Ordering::Relaxed);
            if table != 0 {
                self.give_table(GuestPhysical(table));
            }
        }
    }

    /// A group of the chunk that the front's lease has not opened yet, with enough free objects.
    pub(super) fn leased_group(
        &self,
        front: &Front,
        chunk: Handle<Chunk>,
        class: &Class,
    ) -> Option<Group> {
        let lease = front.lease.filter(|lease| lease.open)?;
        if self.load(lease.slot) & Entry::SHARED == 0 {
            return None;
        }
        class.groups().find(|&group| {
            lease.groups & bit_of(class, group) == 0 && chunk.is_worth_windows(class, group)
        })
    }

    /// The first window of the front's lease, if it is open and still closes with one store.
    pub(super) fn lease_start(&self, front: &Front, class: &Class) -> Option<u64> {
        let lease = front.lease.filter(|lease| lease.open)?;
        (self.load(lease.slot) & Entry::SHARED != 0).then(|| lease.first(class))
    }

    /// Notes that the group's windows were opened in the front's lease.
    pub(super) fn note_leased(&self, front: &mut Front, class: &Class, group: Group) {
        if let Some(lease) = &mut front.lease {
            lease.groups |= bit_of(class, group);
        }
    }

    /// The first window for a group in the front's lease, and the lock under which they have to be
    /// published: until then nobody makes the gibibyte a directory of its own, which holds what was
    /// published only.
    pub(super) fn leased_windows(
        &self,
        front: &Front,
        class: &Class,
        group: Group,
    ) -> Option<(u64, Guard<'_, ()>)> {
        let lease = front.lease.filter(|lease| lease.open)?;
        if lease.groups & bit_of(class, group) != 0 {
            return None;
        }
        let first = lease.first(class) + u64::from(group.first_column);
        let directories = self.directories.lock();
        (self.load(lease.slot) & Entry::SHARED != 0).then_some((first, directories))
    }

    /// Ends the front's lease, if there is one: closes at once all its windows whose objects are
    /// gone. What is left of it are windows as any others.
    pub(super) fn end_lease(&self, heap: &mut Heap, number: usize) {
        let class = self.class(number);
        let front = &mut heap.fronts[number];
        let Some(mut lease) = front.lease.filter(|lease| lease.open) else {
            return;
        };
        let dead = self.close_dead(&lease, class);
        if dead.alone && lease.turn + 1 < turns(class) {
            lease.turn += 1;
            lease.open = false;
            front.lease = Some(lease);
        } else {
            front.is_calm &= dead.is_closed || !dead.is_parted;
            // What was not used becomes ordinary windows.
            let used = u64::from((lease.turn + 1) * class.columns);
            front.lease = None;
            front.keep_in_reserve(lease.gibibyte + used, GIBIBYTE - used);
        }
        for column in (0..class.columns).filter(|&column| dead.has(column)) {
            let at = dead.first + u64::from(column);
            if !dead.is_closed {
                if heap.fronts[number].note_due(at) {
                    self.edit_due(heap, number);
                }
            } else if let Some(window) = self.windows.record(&self.machine, at) {
                let objects = window.pending();
                self.return_objects(&Edited::flushed(window, objects, None, true));
            }
        }
    }

    /// Closes the windows of a lease that have no live objects.
    fn close_dead(&self, lease: &Lease, class: &Class) -> Dead {
        let mut dead = Dead {
            first: lease.first(class),
            columns: [0; MOST_COLUMNS / 64],
            alone: true,
            is_parted: false,
            is_closed: false,
        };
        // Nobody else may edit these windows between the look at their objects and the store.
        let mut edits = [const { None }; MOST_COLUMNS];
        for (column, edits) in (0..class.columns).zip(&mut edits) {
            let at = dead.first + u64::from(column);
            let Some(window) = self.windows.record(&self.machine, at) else {
                continue;
            };
            if window.used_as() != Use::Column {
                continue;
            }
            let guard = window.forever().edit();
            if window.closed.load(Ordering::Relaxed) {
                continue;
            }
            if window.live_count() == 0 {
                dead.columns[column as usize / 64] |= 1 << (column % 64);
                *edits = Some(guard);
            } else {
                dead.alone = false;
            }
        }
        let _one_at_a_time = self.directories.lock();
        let shared = self.load(lease.slot) & Entry::SHARED != 0;
        dead.alone &= shared;
        dead.is_parted = !shared;
        let any = dead.columns != [0; MOST_COLUMNS / 64];
        if !shared || !any && !dead.alone {
            return dead;
        }
        for column in (0..class.columns).filter(|&column| dead.has(column)) {
            let at = dead.first + u64::from(column);
            if let Some(window) = self.windows.record(&self.machine, at) {
                window.closed.store(true, Ordering::Relaxed);
            }
        }
        if dead.alone {
            self.close_slot(lease.slot);
        } else {
            self.part(lease.slot, lease.gibibyte);
        }
        // Such entries take effect at once on the machines that lease.
        self.directory_edit(Flush::all()).redeem(&self.machine);
        dead.is_closed = true;
        dead
    }

    /// Closes a lease of which nothing was opened.
    pub(super) fn cancel_lease(&self, front: &mut Front) {
        let Some(lease) = front.lease.as_mut().filter(|lease| lease.open) else {
            return;
        };
        if lease.groups != 0 {
            return;
        }
        lease.open = false;
        let _one_at_a_time = self.directories.lock();
        if self.load(lease.slot) & Entry::SHARED != 0 {
            self.close_slot(lease.slot);
        }
    }

    /// Clears an entry that points to a shared directory.
    fn close_slot(&self, slot: GuestPhysical) {
        self.store(slot, Entry::ABSENT.bits());
        if let Some(spare) = self.take_spare() {
            self.give_table(spare);
        }
    }

    /// Whether the gibibyte of the window at `at` uses a shared directory.
    pub(super) fn is_shared(&self, at: GuestVirtual) -> bool {
        let slot = self.mapper().find_entry(at, Level::Pointers);
        slot.is_some_and(|slot| self.load(slot) & Entry::SHARED != 0)
    }

    /// The directory entry of the window at `at`, in a directory that no other gibibyte uses.
    pub(super) fn own_entry(&self, at: GuestVirtual) -> Option<GuestPhysical> {
        let slot = self.mapper().find_entry(at, Level::Pointers)?;
        if self.load(slot) & Entry::SHARED != 0 {
            let _one_at_a_time = self.directories.lock();
            if self.load(slot) & Entry::SHARED != 0 {
                let number = self.windows.number_of(at)?;
                self.part(slot, number - number_in_gibibyte(at));
            }
        }
        self.mapper().find_entry(at, Level::Directory)
    }

    /// Gives the gibibyte from window `gibibyte` on, whose entry `slot` points to a shared
    /// directory, one of its own, with the windows that are open. Its lock is held.
    fn part(&self, slot: GuestPhysical, gibibyte: u64) {
        let shared = Entry::from_bits(self.load(slot)).frame();
        let Some(own) = self.take_spare() else {
            return;
        };
        for index in 0..GIBIBYTE {
            let entry = self.load(shared.add(index * 8));
            if entry == 0 {
                continue;
            }
            let window = self.windows.record(&self.machine, gibibyte + index);
            if window.is_some_and(|window| is_open(&window)) {
                self.store(own.add(index * 8), entry);
            }
        }
        self.store(slot, Entry::table(own).bits());
    }

    /// Sets a zeroed table aside.
    fn set_aside(&self) -> Option<()> {
        let table = self.allocate_table()?;
        let mut first = self.spares.first.lock();
        self.store(table, *first);
        *first = table.0;
        Some(())
    }

    /// A zeroed table that was set aside. There is one for each shared entry.
    fn take_spare(&self) -> Option<GuestPhysical> {
        let mut first = self.spares.first.lock();
        let table = GuestPhysical(*first);
        if table.0 == 0 {
            return None;
        }
        *first = self.load(table);
        self.store(table, 0);
        Some(table)
    }
}

/// The windows of a lease whose objects are all gone.
struct Dead {
    /// The window of column 0.
    first: u64,
    /// One bit for each column.
    columns: [u64; MOST_COLUMNS / 64],
    /// No other window of the lease is open.
    alone: bool,
    /// The lease has a directory of its own: some window was edited.
    is_parted: bool,
    /// They were closed.
    is_closed: bool,
}

impl Dead {
    fn has(&self, column: u32) -> bool {
        self.columns[column as usize / 64 % self.columns.len()] & 1 << (column % 64) != 0
    }
}

/// The group's bit in the set of those that a lease has opened.
const fn bit_of(class: &Class, group: Group) -> u32 {
    1 << (group.first_column / class.group_columns())
}

fn is_open(window: &Window) -> bool {
    window.used_as() == Use::Column && !window.closed.load(Ordering::Relaxed)
}

/// Where in its gibibyte the window at `at` lies, counted in windows.
const fn number_in_gibibyte(at: GuestVirtual) -> u64 {
    at.0 / LARGE_PAGE_SIZE % GIBIBYTE
}
