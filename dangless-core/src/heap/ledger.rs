//! Ledgers: what was asked for, and by whom, for each object of one generation of a chunk.
//!
//! A ledger's entries go by bit, so that consecutive allocations write neighbouring entries; they
//! are kept in leaves of 256, made when the first of them is handed out. When the last window of a
//! ledger has closed, it goes to the history, so that dead objects can still be described, and
//! when the history is too big its oldest ledger is used again. Ledgers and leaves are only used
//! again as such; a reader checks in the end that the window still holds the ledger it began with.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::class::{Class, CLASSES, DENSE, MOST_GROUPS};
use super::depot::StackId;
use super::handle::{Handle, Link, Record};
use super::lock::SpinLock;
use super::machine::Machine;
use super::space::Space;

/// Entries of a leaf.
pub const LEAF: u32 = 256;
/// Bytes of ledgers kept for the description of dead objects.
const HISTORY: u64 = 64 << 20;

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
    /// First window of each group of columns, as number + 1; 0 for none.
    pub first: [AtomicU64; MOST_GROUPS as usize],
    /// Next ledger of the history, or of the spare ones.
    next: Link<Ledger>,
    /// Bytes of the leaves.
    bytes: AtomicU32,
}

// SAFETY: all fields are atomics or links.
unsafe impl Record for Ledger {}
// SAFETY: a link is an atomic number, zero when empty.
unsafe impl Record for Link<Entry> {}

const LEAF_BYTES: u64 = LEAF as u64 * core::mem::size_of::<Entry>() as u64;

fn leaves(class: &Class) -> u32 {
    class.objects.div_ceil(LEAF)
}

impl Ledger {
    /// The link to leaf `index`; `None` past the last.
    fn leaf(this: Handle<Self>, index: u32) -> Option<Handle<Link<Entry>>> {
        let class = DENSE.get(this.class.load(Ordering::Relaxed) as usize)?;
        if index >= leaves(class) {
            return None;
        }
        let at = this.address() as *mut u8;
        // SAFETY: the links follow the fixed part, as many as the class needs, and a ledger's
        // memory stays one of the same class.
        unsafe {
            let first = at.add(core::mem::size_of::<Self>()).cast::<Link<Entry>>();
            Some(Handle::new(NonNull::new(first.add(index as usize))?))
        }
    }

    /// The entry of object `bit`, if any object near it was handed out.
    #[must_use]
    pub fn entry(this: Handle<Self>, bit: u32) -> Option<Handle<Entry>> {
        let leaf = Self::leaf(this, bit / LEAF)?.get()?;
        // SAFETY: a leaf has LEAF entries.
        Some(unsafe { leaf.element((bit % LEAF) as usize) })
    }
}

struct Queue {
    oldest: Option<Handle<Ledger>>,
    newest: Option<Handle<Ledger>>,
    /// Bytes of the ledgers between them.
    bytes: u64,
    /// Ledgers that may be used again, for each class; they have no leaves.
    spare: [Option<Handle<Ledger>>; CLASSES],
    /// Leaves that may be used again.
    leaves: Option<Handle<Entry>>,
}

impl Queue {
    /// Puts a leaf aside. Its first entry holds the address of the next one, in halves.
    fn put_leaf(&mut self, leaf: Handle<Entry>) {
        let next = self.leaves.map_or(0, Handle::address);
        leaf.size.store(next as u32, Ordering::Relaxed);
        leaf.allocated.store((next >> 32) as u32, Ordering::Relaxed);
        self.leaves = Some(leaf);
    }

    /// A leaf that was put aside.
    fn take_leaf(&mut self) -> Option<Handle<Entry>> {
        let leaf = self.leaves?;
        let next = u64::from(leaf.allocated.load(Ordering::Relaxed)) << 32
            | u64::from(leaf.size.load(Ordering::Relaxed));
        // SAFETY: the number is what `put_leaf` wrote, so a leaf's address or 0.
        self.leaves = NonNull::new(next as *mut Entry).map(|next| unsafe { Handle::new(next) });
        Some(leaf)
    }

    /// Detaches a ledger from its windows and puts its leaves aside.
    fn forget<M: Machine>(&mut self, space: &Space<M>, ledger: Handle<Ledger>) {
        let number = ledger.class.load(Ordering::Relaxed) as usize;
        let class = &DENSE[number];
        for (group, first) in space.class(number).groups().zip(&ledger.first) {
            let Some(first) = first.load(Ordering::Relaxed).checked_sub(1) else {
                continue;
            };
            for window in first..first + u64::from(group.columns) {
                if let Some(window) = space.windows.record(&space.machine, window) {
                    // A window that was reclaimed may have another one by now.
                    if window.ledger.get() == Some(ledger) {
                        window.ledger.set(None);
                    }
                }
            }
        }
        for index in 0..leaves(class) {
            if let Some(leaf) = Ledger::leaf(ledger, index).and_then(|leaf| leaf.take()) {
                self.put_leaf(leaf);
            }
        }
        ledger.bytes.store(0, Ordering::Relaxed);
        ledger.next.set(self.spare[number]);
        self.spare[number] = Some(ledger);
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
            }),
        }
    }
}

impl<M: Machine> Space<M> {
    /// A ledger with one user for a generation of class `number`.
    pub(super) fn open_ledger(&self, number: usize) -> Option<Handle<Ledger>> {
        let spare = {
            let mut queue = self.history.queue.lock();
            let spare = queue.spare[number];
            if let Some(ledger) = spare {
                queue.spare[number] = ledger.next.take();
            }
            spare
        };
        let ledger = match spare {
            Some(ledger) => ledger,
            None => {
                let ledger = self.record::<Ledger>(ledger_bytes(number))?;
                ledger.class.store(number as u32, Ordering::Relaxed);
                ledger
            }
        };
        for first in &ledger.first {
            first.store(0, Ordering::Relaxed);
        }
        ledger.users.store(1, Ordering::Relaxed);
        Some(ledger)
    }

    /// Makes sure that object `bit` has an entry, and answers it.
    pub(super) fn entry_for(&self, ledger: Handle<Ledger>, bit: u32) -> Option<Handle<Entry>> {
        let leaf = Ledger::leaf(ledger, bit / LEAF)?;
        if leaf.get().is_none() {
            let aside = self.history.queue.lock().take_leaf();
            let entries = match aside {
                Some(entries) => entries,
                None => self.record::<Entry>(LEAF_BYTES)?,
            };
            leaf.set(Some(entries));
            ledger.bytes.fetch_add(LEAF_BYTES as u32, Ordering::Relaxed);
        }
        Ledger::entry(ledger, bit)
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

fn ledger_bytes(number: usize) -> u64 {
    core::mem::size_of::<Ledger>() as u64 + u64::from(leaves(&DENSE[number])) * 8
}

fn bytes_of(ledger: Handle<Ledger>) -> u64 {
    ledger_bytes(ledger.class.load(Ordering::Relaxed) as usize)
        + u64::from(ledger.bytes.load(Ordering::Relaxed))
}
