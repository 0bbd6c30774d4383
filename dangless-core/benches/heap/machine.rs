//! A machine that only has memory: flushes do nothing, nobody translates addresses, and objects are
//! never touched. What is left is the heap's own work.

use std::alloc::{alloc_zeroed, dealloc, Layout};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;
use std::time::Instant;

use dangless_core::abi::config::Config;
use dangless_core::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};
use dangless_core::heap::{Machine, Stop};
use dangless_core::paging::Flusher;

/// Blocks of memory.
const BLOCKS: u64 = 256;
/// Windows of the alias region.
const WINDOWS: u64 = 1 << 17;
/// Bytes of a window's record.
const RECORD: u64 = 256;
const ALIAS: u64 = 16 << 40;

/// Zeroed memory, aligned to 2 MiB.
struct Memory {
    at: NonNull<u8>,
    layout: Layout,
}

impl Memory {
    fn new(bytes: u64) -> Self {
        let layout = Layout::from_size_align(bytes as usize, LARGE_PAGE_SIZE as usize).unwrap();
        // SAFETY: the size is not zero.
        let at = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory");
        Self { at, layout }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nobody's any more.
        unsafe { dealloc(self.at.as_ptr(), self.layout) };
    }
}

// SAFETY: the memory is reached through atomics and by the heap's own rules only.
unsafe impl Sync for Memory {}
// SAFETY: as above.
unsafe impl Send for Memory {}

struct Supply {
    next: u64,
    returned: Vec<u64>,
}

/// The machine.
pub struct Bare {
    blocks: Memory,
    records: Memory,
    supply: Mutex<Supply>,
    shadow_paging: bool,
    start: Instant,
    words: [AtomicU64; 2],
}

impl Bare {
    /// One that counts as shadowing page tables, or not.
    pub fn new(shadow_paging: bool) -> Self {
        Self {
            blocks: Memory::new(BLOCKS * LARGE_PAGE_SIZE),
            records: Memory::new(WINDOWS * RECORD),
            // The root table is in block 0.
            supply: Mutex::new(Supply {
                next: 1,
                returned: Vec::new(),
            }),
            shadow_paging,
            start: Instant::now(),
            words: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }

    /// The configuration of a heap on it. `profile` is 1 for `detect`, without stacks, 2 for `protect`;
    /// nothing is revoked before it has to be.
    pub fn config(profile: u64) -> Config {
        Config {
            profile,
            alias_start: ALIAS,
            alias_end: ALIAS + WINDOWS * LARGE_PAGE_SIZE,
            tsc_per_ms: 1_000_000,
            ..Config::default()
        }
    }

    fn wipe(&self, start: GuestPhysical, bytes: u64) {
        // SAFETY: the caller names granted memory, which the heap has given back.
        unsafe { self.direct(start).write_bytes(0, bytes as usize) };
    }
}

impl Flusher for Bare {
    fn flush_page(&self, _at: GuestVirtual) {}
    fn flush_all(&self) {}
}

// SAFETY: memory and records stay where they are as long as the machine exists, are zeroed when they
// are granted, aligned, and of the sizes that are asked for.
unsafe impl Machine for Bare {
    fn grant(&self, blocks: u64, _huge: bool) -> Option<GuestPhysical> {
        let mut supply = self.supply.lock().unwrap();
        let block = match supply.returned.pop().filter(|_| blocks == 1) {
            Some(block) => block,
            None => {
                let first = supply.next;
                supply.next = (first + blocks <= BLOCKS).then_some(first + blocks)?;
                first
            }
        };
        Some(GuestPhysical(block * LARGE_PAGE_SIZE))
    }

    fn release(&self, start: GuestPhysical, blocks: u64) {
        self.wipe(start, blocks * LARGE_PAGE_SIZE);
        let first = start.0 / LARGE_PAGE_SIZE;
        let mut supply = self.supply.lock().unwrap();
        supply.returned.extend(first..first + blocks);
    }

    fn discard(&self, start: GuestPhysical, bytes: u64) {
        self.wipe(start, bytes);
    }

    fn direct(&self, at: GuestPhysical) -> *mut u8 {
        self.blocks.at.as_ptr().wrapping_add(at.0 as usize)
    }

    fn window_records(&self) -> *mut u8 {
        self.records.at.as_ptr()
    }

    fn root(&self) -> GuestPhysical {
        GuestPhysical(PAGE_SIZE)
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn directory_edits_are_immediate(&self) -> bool {
        self.shadow_paging
    }

    fn flushes_reach_all(&self) -> bool {
        self.shadow_paging
    }

    fn processor(&self) -> u64 {
        0
    }

    fn flushed(&self, _index: u64) -> &AtomicU64 {
        &self.words[0]
    }

    fn clock(&self) -> &AtomicU64 {
        &self.words[1]
    }

    fn hurry(&self) {
        self.words[0].store(self.words[1].load(Ordering::SeqCst), Ordering::SeqCst);
    }

    fn stop(&self) -> Stop {
        Stop::Done
    }

    fn resume(&self) {}

    fn roots(&self, _visit: impl FnMut(u64)) -> bool {
        true
    }

    fn words(&self, _at: GuestVirtual, _bytes: u64, _visit: impl FnMut(u64)) {}

    unsafe fn copy(&self, _from: GuestVirtual, _to: GuestVirtual, _bytes: u64) {}

    unsafe fn clear(&self, _at: GuestVirtual, _bytes: u64) {}
}
