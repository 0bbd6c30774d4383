//! Robust futexes of a thread that ends when nothing of the VMM's can run any more: killed by a
//! signal, or replaced by another program. The host's kernel gives them up.
//!
//! It walks a list of the VMM's, in this process's memory. What the thread holds is on the
//! program's own list, which changes without a system call; so that list is copied at every system
//! call, and a futex locked since the last one is not on the copy. What is no longer held does no
//! harm: the kernel changes a futex only if it holds the id of the thread that ends.
//!
//! All entries of such a list have one distance to their futexes. So they lie in a shadow as large as
//! guest memory, each at the offset at which its futex lies in guest memory; every thread that holds
//! any has a shadow of its own, since nobody else must change its list.

use super::thread::Thread;
use crate::memory::physical::Physical;
use crate::memory::user::{read_value, Access, Fault, UserMemory};
use dangless_core::address::GuestVirtual;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Entries of a robust list that are looked at, as on Linux.
const MOST: usize = 2048;
/// Bytes of an entry.
const ENTRY: u64 = 8;
/// Bytes of the kernel's `struct robust_list_head`.
const HEAD: usize = 24;

/// A robust list of the program.
pub(super) struct List {
    /// Addresses of the futexes; bit 0 says that one inherits priority.
    pub futexes: Vec<u64>,
    /// The futex that is being locked or unlocked, alike.
    pub pending: Option<u64>,
}

impl List {
    /// The list at `head`; one that cannot be read ends where it cannot, as on Linux.
    pub(super) fn read(memory: &dyn UserMemory, head: u64) -> Result<Self, Fault> {
        let word = |at: u64| read_value::<u64>(memory, GuestVirtual(at));
        let [first, offset, pending] = read_value::<[u64; 3]>(memory, GuestVirtual(head))?;
        let futex = |entry: u64| (entry & !1).wrapping_add(offset) | entry & 1;
        let mut list = Self {
            futexes: Vec::new(),
            pending: (pending & !1 != 0).then(|| futex(pending)),
        };
        let mut entry = first;
        for _ in 0..MOST {
            if entry & !1 == head {
                break;
            }
            let next = word(entry & !1);
            if entry & !1 != pending & !1 {
                list.futexes.push(futex(entry));
            }
            let Ok(next) = next else { break };
            entry = next;
        }
        Ok(list)
    }

    fn is_empty(&self) -> bool {
        self.futexes.is_empty() && self.pending.is_none()
    }
}

/// Where the entries of a list lie.
struct Shadow {
    base: *mut u8,
    length: u64,
}

// SAFETY: plain memory, which only its owner uses.
unsafe impl Send for Shadow {}

impl Shadow {
    /// A shadow of `length` bytes; no memory is used yet. `None` if there is no room for it.
    fn new(length: u64) -> Option<Self> {
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choosing.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        (base != libc::MAP_FAILED).then_some(Self {
            base: base.cast(),
            length,
        })
    }

    /// Address of the entry at `offset`.
    fn entry(&self, offset: u64) -> Option<u64> {
        (offset + ENTRY <= self.length).then(|| self.base as u64 + offset)
    }

    /// Has the entry at `offset` lead to `next`.
    fn link(&self, offset: u64, next: u64) {
        if let Some(at) = self.entry(offset) {
            // SAFETY: inside the mapping, which lives as long as `self`; nothing but entries is
            // there. It need not be aligned; only its owner and the kernel use it.
            unsafe {
                std::ptr::with_exposed_provenance_mut::<u64>(at as usize).write_unaligned(next)
            };
        }
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `new`, and nothing refers to it any more.
        unsafe { libc::munmap(self.base.cast(), self.length as usize) };
    }
}

/// The kernel's `struct robust_list_head`.
#[repr(C)]
struct Head {
    first: AtomicU64,
    distance: u64,
    pending: AtomicU64,
}

/// The list that the host's kernel walks at the end of a host thread.
pub(super) struct Robust {
    head: Box<Head>,
    shadow: Shadow,
}

fn register(head: *const Head) {
    // SAFETY: the kernel reads the head and what it leads to when the thread ends, and a list that
    // is broken ends there.
    unsafe { libc::syscall(libc::SYS_set_robust_list, head, HEAD) };
}

impl Robust {
    /// An empty list for the calling host thread, over `physical`; `None` if there is no room.
    fn new(physical: &Physical) -> Option<Self> {
        let shadow = Shadow::new(physical.limit())?;
        let head = Box::new(Head {
            first: AtomicU64::new(0),
            distance: (physical.base() as u64).wrapping_sub(shadow.base as u64),
            pending: AtomicU64::new(0),
        });
        let robust = Self { head, shadow };
        robust.clear();
        register(&raw const *robust.head);
        Some(robust)
    }

    fn end(&self) -> u64 {
        (&raw const *self.head).expose_provenance() as u64
    }

    fn clear(&self) {
        self.head.first.store(self.end(), Ordering::SeqCst);
        self.head.pending.store(0, Ordering::SeqCst);
    }

    /// The calling host thread, which it was made for, has no list any more.
    pub(super) fn withdraw(self) {
        register(std::ptr::null());
    }
}

impl Thread {
    /// Copies the program's list of robust futexes, if other processes may wait for any.
    pub(super) fn copy_robust(&mut self) {
        let head = self.calls.robust_list.0;
        if head == 0 && self.robust.is_none() || !self.program.space.shares() {
            return;
        }
        let program = Arc::clone(&self.program);
        let list = if head == 0 {
            None
        } else {
            List::read(&*program.space, head).ok()
        };
        let Some(list) = list.filter(|list| !list.is_empty()) else {
            if let Some(robust) = &self.robust {
                robust.clear();
            }
            return;
        };
        let physical = &program.machine.physical;
        if self.robust.is_none() {
            self.robust = Robust::new(physical);
        }
        let Some(robust) = &self.robust else { return };
        let shadow = &robust.shadow;
        let memory = physical.base() as u64;
        let offset = |futex: u64| {
            let slices = program
                .space
                .slices(GuestVirtual(futex & !1), 4, Access::Write)
                .ok()?;
            let [slice] = slices.as_slice() else {
                return None;
            };
            let offset = (slice.pointer as u64).checked_sub(memory)?;
            shadow.entry(offset).filter(|_| offset % 4 == 0)?;
            Some(offset)
        };
        let mut taken = BTreeSet::new();
        let mut next = robust.end();
        for futex in list.futexes.iter().rev() {
            let Some(at) = offset(*futex) else { continue };
            // Two entries cannot lie in the same bytes.
            if taken
                .range((at + 1).saturating_sub(ENTRY)..at + ENTRY)
                .next()
                .is_some()
            {
                continue;
            }
            taken.insert(at);
            shadow.link(at, next);
            next = shadow.entry(at).unwrap_or(next & !1) | futex & 1;
        }
        robust.head.first.store(next, Ordering::SeqCst);
        let pending = list.pending.and_then(|futex| {
            let entry = shadow.entry(offset(futex)?)?;
            Some(entry | futex & 1)
        });
        robust
            .head
            .pending
            .store(pending.unwrap_or(0), Ordering::SeqCst);
    }
}
