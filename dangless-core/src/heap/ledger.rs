//! Ledgers: what was asked for, and by whom, for each object of one session of a chunk.
//!
//! A ledger's entries go line by line, so that consecutive allocations write neighbouring entries;
//! they are kept in leaves of a page, made when the first of them is handed out. When the last window
//! of a ledger has closed, it goes to the history, so that dead objects can still be described, and
//! when the history is too big its oldest ledger is used again. Ledgers and leaves are only used
//! again as such; a reader checks in the end that the window still holds the ledger it began with.
//! Of the leaves that nobody uses a few are kept for any ledger; the others stay with theirs, and
//! the machine takes their contents back, unless those are few: they are soon needed again.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::class::{Class, Group, CLASSES};
use super::depot::StackId;
use super::handle::{Handle, Link, Record};
use super::lock::SpinLock;
use super::machine::Machine;
use super::space::Space;
use crate::address::PAGE_SIZE;

/// Entries of a leaf.
pub const LEAF: u32 = (PAGE_SIZE / core::mem::size_of::<Entry>() as u64) as u32;
/// Bytes of ledgers kept for the description of dead objects.
const HISTORY: u64 = 12 << 20;
/// Bytes of leaves, of ledgers that nobody uses, whose contents the machine is not given.
const WARM: u32 = 4 << 20;
/// Bits behind the point of a ledger's reciprocal.
const RECIPROCAL_BITS: u32 = 24;
/// Leaves put aside for the next ledgers.
const ASIDE: u32 = 256;

/// One object.
#[repr(C)]
pub struct Entry {
    /// Bytes that were asked for.
    pub size: AtomicU32,
    /// Stack of the allocation.
    pub allocated: AtomicU32,
    /// Stack of the free, when there was one.
    pub freed: AtomicU32,
}

// SAFETY: all fields are atomics.
unsafe impl Record for Entry {}

impl Entry {
    /// Records the allocation.
    pub fn allocate(&self, size: u32, stack: StackId) {
        self.size.store(size, Ordering::Relaxed);
        self.allocated.store(stack, Ordering::Relaxed);
        self.freed.store(0, Ordering::Relaxed);
    }
}

/// The ledger's fixed part; links to the leaves follow it.
#[repr(C, align(64))]
pub struct Ledger {
    /// The front and the open windows that use the ledger.
    pub users: AtomicU32,
    /// Number of the size class.
    class: AtomicU32,
    /// Leaves there is room for.
    leaves: AtomicU32,
    /// Columns of the session's group.
    columns: AtomicU32,
    /// Most objects of a line of the session.
    line: AtomicU32,
    /// Lines of a leaf.
    lines: AtomicU32,
    /// 2^24 / `lines`, rounded up.
    reciprocal: AtomicU32,
    /// Bytes of the leaves.
    bytes: AtomicU32,
    /// Bytes of the leaves that count as warm, while nobody uses the ledger.
    warm: AtomicU32,
    /// First window of the session, as number + 1; 0 for none.
    first: AtomicU64,
    /// Next ledger of the history, or of the spare ones.
    next: Link<Ledger>,
}

// SAFETY: all fields are atomics or links.
unsafe impl Record for Ledger {}
// SAFETY: a link is an atomic number, zero when empty.
unsafe impl Record for Link<Entry> {}

/// Bytes of a leaf: a page, so that it can be taken back.
const LEAF_BYTES: u64 = PAGE_SIZE;

/// Most leaves that a session of the class needs.
fn leaves(class: &Class) -> u32 {
    let columns = class.group_columns();
    class
        .lines(columns)
        .div_ceil(LEAF / class.line_objects(columns))
}

impl Ledger {
    /// The link to leaf `index`; `None` past the last.
    fn leaf(this: Handle<Self>, index: u32) -> Option<Handle<Link<Entry>>> {
        if index >= this.leaves.load(Ordering::Relaxed) {
            return None;
        }
        let at = this.address() as *mut u8;
        // SAFETY: the links follow the fixed part, as many as `leaves` says since the ledger was
        // made, and a ledger's memory stays one of the same class.
        unsafe {
            let first = at.add(core::mem::size_of::<Self>()).cast::<Link<Entry>>();
            Some(Handle::new(NonNull::new(first.add(index as usize))?))
        }
    }

    /// Leaf of a line, and the number of the line's first entry in it.
    fn place(&self, line: u32) -> (u32, u32) {
        let lines = self.lines.load(Ordering::Relaxed);
        let reciprocal = u64::from(self.reciprocal.load(Ordering::Relaxed));
        let leaf = ((u64::from(line) * reciprocal) >> RECIPROCAL_BITS) as u32;
        let first = line.wrapping_sub(leaf.wrapping_mul(lines));
        (leaf, first.wrapping_mul(self.line.load(Ordering::Relaxed)))
    }

    /// The entry of the object with this line and number there, if any object near it was handed
    /// out.
    #[must_use]
    pub fn entry(this: Handle<Self>, (line, number): (u32, u32)) -> Option<Handle<Entry>> {
        let (leaf, first) = this.place(line);
        let index = first.wrapping_add(number);
        if index >= LEAF {
            return None;
        }
        let leaf = Self::leaf(this, leaf)?.get()?;
        // SAFETY: a leaf has LEAF entries.
        Some(unsafe { leaf.element(index as usize) })
    }
}

struct Queue {
    oldest: Option<Handle<Ledger>>,
    newest: Option<Handle<Ledger>>,
    /// Bytes of the ledgers between them.
    bytes: u64,
    /// Ledgers that may be used again, for each class.
    spare: [Option<Handle<Ledger>>; CLASSES],
    /// Leaves that may be used again.
    leaves: Option<Handle<Entry>>,
    /// How many those are.
    aside: u32,
    /// Bytes of the spare ledgers' leaves that have contents.
    warm: u32,
}

impl Queue {
    /// Puts a leaf aside. Its first entry holds the address of the next one, in halves.
    fn put_leaf(&mut self, leaf: Handle<Entry>) {
        let next = self.leaves.map_or(0, Handle::address);
        leaf.size.store(next as u32, Ordering::Relaxed);
        leaf.allocated.store((next >> 32) as u32, Ordering::Relaxed);
        self.leaves = Some(leaf);
        self.aside += 1;
    }

    /// A leaf that was put aside.
    fn take_leaf(&mut self) -> Option<Handle<Entry>> {
        let leaf = self.leaves?;
        let next = u64::from(leaf.allocated.load(Ordering::Relaxed)) << 32
            | u64::from(leaf.size.load(Ordering::Relaxed));
        // SAFETY: the number is what `put_leaf` wrote, so a leaf's address or 0.
        self.leaves = NonNull::new(next as *mut Entry).map(|next| unsafe { Handle::new(next) });
        self.aside -= 1;
        Some(leaf)
    }

    /// Detaches a ledger from its windows and puts it and its leaves aside.
    fn forget<M: Machine>(&mut self, space: &Space<M>, ledger: Handle<Ledger>) {
        if let Some(first) = ledger.first.load(Ordering::Relaxed).checked_sub(1) {
            let columns = ledger.columns.load(Ordering::Relaxed);
            for window in first..first + u64::from(columns) {
                if let Some(window) = space.windows.record(&space.machine, window) {
                    // A window that was reclaimed may have another one by now.
                    if window.ledger.get() == Some(ledger) {
                        window.ledger.set(None);
                    }
                }
            }
        }
        let links = (0..ledger.leaves.load(Ordering::Relaxed))
            .filter_map(|index| Ledger::leaf(ledger, index));
        let mut kept = 0;
        let warm = self.warm + ledger.bytes.load(Ordering::Relaxed) <= WARM;
        // Start and length of leaves side by side.
        let (mut start, mut length) = (0, 0);
        for link in links {
            let Some(leaf) = link.get() else { continue };
            if self.aside < ASIDE {
                link.set(None);
                self.put_leaf(leaf);
                continue;
            }
            kept += LEAF_BYTES as u32;
            if warm {
                continue;
            }
            if start + length != leaf.address() {
                space.discard_records(start, length);
                (start, length) = (leaf.address(), 0);
            }
            length += LEAF_BYTES;
        }
        if warm {
            self.warm += kept;
            ledger.warm.store(kept, Ordering::Relaxed);
        }
        space.discard_records(start, length);
        ledger.bytes.store(kept, Ordering::Relaxed);
        let number = ledger.class.load(Ordering::Relaxed) as usize;
        if let Some(spare) = self.spare.get_mut(number) {
            ledger.next.set(*spare);
            *spare = Some(ledger);
        }
    }
}

/// Ledgers whose windows are all closed, oldest first.
pub struct History {
    queue: SpinLock<Queue>,
}

impl History {
    /// An empty history.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            queue: SpinLock::new(Queue {
                oldest: None,
                newest: None,
                bytes: 0,
                spare: [None; CLASSES],
                leaves: None,
                aside: 0,
                warm: 0,
            }),
        }
    }
}

impl<M: Machine> Space<M> {
    /// A ledger with one user for a session of class `number` that hands out `group`, whose windows
    /// start with number `first`.
    pub(super) fn open_ledger(
        &self,
        number: usize,
        group: Group,
        first: u64,
    ) -> Option<Handle<Ledger>> {
        let spare = {
            let mut queue = self.history.queue.lock();
            let spare = queue.spare[number];
            if let Some(ledger) = spare {
                queue.spare[number] = ledger.next.take();
                queue.warm -= ledger.warm.swap(0, Ordering::Relaxed);
            }
            spare
        };
        let ledger = match spare {
            Some(ledger) => ledger,
            None => {
                let leaves = leaves(self.class(number));
                let bytes = core::mem::size_of::<Ledger>() as u64 + u64::from(leaves) * 8;
                let ledger = self.record::<Ledger>(bytes)?;
                ledger.class.store(number as u32, Ordering::Relaxed);
                ledger.leaves.store(leaves, Ordering::Relaxed);
                ledger
            }
        };
        ledger.first.store(first + 1, Ordering::Relaxed);
        ledger.columns.store(group.columns, Ordering::Relaxed);
        let line = self.class(number).line_objects(group.columns);
        let lines = LEAF / line.max(1);
        ledger.line.store(line, Ordering::Relaxed);
        ledger.lines.store(lines, Ordering::Relaxed);
        // Exact: a line's number is below 2^12, which times the reciprocal's error, below 1, is less
        // than 2^24 / `lines`.
        let reciprocal = (1u32 << RECIPROCAL_BITS).div_ceil(lines.max(1));
        ledger.reciprocal.store(reciprocal, Ordering::Relaxed);
        ledger.users.store(1, Ordering::Relaxed);
        Some(ledger)
    }

    /// Makes sure that the objects of a line have entries, and answers the first one's.
    pub(super) fn entries_for(&self, ledger: Handle<Ledger>, line: u32) -> Option<Handle<Entry>> {
        let leaf = Ledger::leaf(ledger, ledger.place(line).0)?;
        if leaf.get().is_none() {
            let aside = self.history.queue.lock().take_leaf();
            let entries = match aside {
                Some(entries) => entries,
                None => self.record::<Entry>(LEAF_BYTES)?,
            };
            leaf.set(Some(entries));
            ledger.bytes.fetch_add(LEAF_BYTES as u32, Ordering::Relaxed);
        }
        Ledger::entry(ledger, (line, 0))
    }

    /// Takes a user away; after the last one the ledger is history.
    pub(super) fn leave_ledger(&self, ledger: Handle<Ledger>) {
        if ledger.users.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let mut queue = self.history.queue.lock();
        queue.bytes += bytes_of(ledger);
        ledger.next.set(None);
        match queue.newest {
            Some(newest) => newest.next.set(Some(ledger)),
            None => queue.oldest = Some(ledger),
        }
        queue.newest = Some(ledger);
        while queue.bytes > HISTORY {
            let Some(oldest) = queue.oldest else { break };
            queue.bytes -= bytes_of(oldest);
            queue.oldest = oldest.next.take();
            if queue.oldest.is_none() {
                queue.newest = None;
            }
            queue.forget(self, oldest);
        }
    }
}

fn bytes_of(ledger: Handle<Ledger>) -> u64 {
    core::mem::size_of::<Ledger>() as u64
        + u64::from(ledger.leaves.load(Ordering::Relaxed)) * 8
        + u64::from(ledger.bytes.load(Ordering::Relaxed))
}
