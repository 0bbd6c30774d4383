//! Guest-physical memory: one host reservation, `host = base + guest_physical`.
//!
//! Memory is handed out in 2 MiB blocks, and KVM learns of it in slots that double, because large
//! slots are slow to create where page tables are shadowed. Every block carries its [`Use`], so
//! that nothing the guest writes into a page table or a request can make the VMM touch memory of
//! another kind. The reservation is never unmapped while the machine lives: a pointer into it
//! stays valid, whatever becomes of the block behind it.

use dangless_core::address::{GuestPhysical, LARGE_PAGE_SIZE};
use kvm_bindings::{kvm_userspace_memory_region, KVM_MEM_READONLY};
use kvm_ioctls::VmFd;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of the first memory slot.
const FIRST_SLOT: u64 = 64 << 20;

/// What a block is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Use {
    /// Nobody's.
    Free = 0,
    /// Page tables of the VMM.
    Tables = 1,
    /// The runtime's image, configuration, per-vCPU areas and tables.
    Runtime = 2,
    /// Granted to the runtime: heap chunks, its metadata and its page tables.
    Granted = 3,
    /// Mappings of the program; may hold file mappings.
    Application = 4,
}

/// Why guest memory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The address space for it could not be reserved.
    #[error("cannot reserve {size} bytes of address space for the guest: {source}; lower --memory or raise `ulimit -v`")]
    Reserve {
        /// Bytes asked for.
        size: u64,
        /// What the host said.
        source: io::Error,
    },
    /// KVM refused a memory slot.
    #[error("KVM refused a memory slot of {size} bytes: {source}")]
    Slot {
        /// Bytes of the slot.
        size: u64,
        /// What KVM said.
        source: kvm_ioctls::Error,
    },
    /// The limit is reached.
    #[error("guest memory is used up ({limit} bytes); raise --memory")]
    Exhausted {
        /// The limit in bytes.
        limit: u64,
    },
}

struct State {
    /// The machine that the memory belongs to.
    vm: Arc<VmFd>,
    /// Bytes covered by memory slots.
    covered: u64,
    /// Bytes attached beyond the limit.
    attached: u64,
    /// The slots that KVM knows, by number.
    slots: Vec<kvm_userspace_memory_region>,
    /// First block never handed out.
    next: u64,
    /// Free runs below `next`: start block to number of blocks; never adjacent.
    free: BTreeMap<u64, u64>,
}

/// Guest-physical memory of one machine.
pub struct Physical {
    base: *mut u8,
    limit: u64,
    uses: Box<[AtomicU8]>,
    state: Mutex<State>,
}

// SAFETY: the reservation is plain memory that any thread may address; all bookkeeping is behind
// the mutex or atomic.
unsafe impl Send for Physical {}
// SAFETY: as above.
unsafe impl Sync for Physical {}

impl Physical {
    /// Reserves `limit` bytes (rounded up to whole blocks) of address space; no memory is used yet.
    ///
    /// # Errors
    /// When the host refuses the address space.
    pub fn new(vm: Arc<VmFd>, limit: u64) -> Result<Self, MemoryError> {
        let limit = limit.max(FIRST_SLOT).next_multiple_of(LARGE_PAGE_SIZE);
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choosing.
        let raw = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                (limit + LARGE_PAGE_SIZE) as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if raw == libc::MAP_FAILED {
            return Err(MemoryError::Reserve {
                size: limit,
                source: io::Error::last_os_error(),
            });
        }
        // Host huge pages can back guest blocks only if both are aligned alike.
        let start = raw as u64;
        let base = start.next_multiple_of(LARGE_PAGE_SIZE);
        let head = (base - start) as usize;
        let tail = LARGE_PAGE_SIZE as usize - head;
        // SAFETY: both pieces are the unaligned ends of the mapping just made; nothing uses them.
        unsafe {
            if head > 0 {
                libc::munmap(raw, head);
            }
            if tail > 0 {
                libc::munmap((base + limit) as *mut libc::c_void, tail);
            }
        }
        Ok(Self {
            base: base as *mut u8,
            limit,
            uses: (0..limit / LARGE_PAGE_SIZE)
                .map(|_| AtomicU8::new(0))
                .collect(),
            state: Mutex::new(State {
                vm,
                covered: 0,
                attached: 0,
                slots: Vec::new(),
                next: 0,
                free: BTreeMap::new(),
            }),
        })
    }

    /// Where the reservation starts.
    #[must_use]
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// The most bytes the guest can have.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that memory slots cover now: guest-physical addresses below are valid.
    #[must_use]
    pub fn covered(&self) -> u64 {
        self.lock().covered
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps everything as it is while the result is held.
    pub fn freeze(&self) -> impl Sized + '_ {
        self.lock()
    }

    /// `count` contiguous blocks. They read zero.
    ///
    /// # Errors
    /// [`MemoryError::Exhausted`] at the limit, [`MemoryError::Slot`] if KVM refuses to grow.
    pub fn allocate(&self, count: u64, what: Use) -> Result<GuestPhysical, MemoryError> {
        let exhausted = MemoryError::Exhausted { limit: self.limit };
        if count == 0 || count > self.limit / LARGE_PAGE_SIZE {
            return Err(exhausted);
        }
        let mut state = self.lock();
        let reused = state
            .free
            .iter()
            .find(|(_, &length)| length >= count)
            .map(|(&start, &length)| (start, length));
        let first = if let Some((start, length)) = reused {
            state.free.remove(&start);
            if length > count {
                state.free.insert(start + count, length - count);
            }
            start
        } else {
            let start = state.next;
            let end = (start + count) * LARGE_PAGE_SIZE;
            if end > self.limit {
                return Err(exhausted);
            }
            while state.covered < end {
                self.grow(&mut state)?;
            }
            state.next = start + count;
            start
        };
        for block in first..first + count {
            if let Some(cell) = self.uses.get(block as usize) {
                cell.store(what as u8, Ordering::Release);
            }
        }
        Ok(GuestPhysical(first * LARGE_PAGE_SIZE))
    }

    fn grow(&self, state: &mut State) -> Result<(), MemoryError> {
        let size = state
            .covered
            .max(FIRST_SLOT)
            .min(self.limit - state.covered);
        let region = kvm_userspace_memory_region {
            slot: state.slots.len() as u32,
            flags: 0,
            guest_phys_addr: state.covered,
            memory_size: size,
            userspace_addr: self.base as u64 + state.covered,
        };
        // SAFETY: the range lies in the reservation, which outlives the VM's use of it (the vCPUs
        // are dropped before `Physical`), and overlaps no other slot.
        unsafe { state.vm.set_user_memory_region(region) }
            .map_err(|source| MemoryError::Slot { size, source })?;
        state.covered += size;
        state.slots.push(region);
        Ok(())
    }

    /// Gives the memory, which a child process has a copy of, to the child's machine.
    ///
    /// # Errors
    /// [`MemoryError::Slot`] if KVM refuses a slot.
    pub fn adopt(&self, vm: Arc<VmFd>) -> Result<(), MemoryError> {
        let mut state = self.lock();
        for region in &state.slots {
            // SAFETY: as in `grow`; the new machine has no slots yet.
            unsafe { vm.set_user_memory_region(*region) }.map_err(|source| MemoryError::Slot {
                size: region.memory_size,
                source,
            })?;
        }
        state.vm = vm;
        Ok(())
    }

    /// Lets the guest read memory of this process outside the reservation, which must stay mapped
    /// while the machine lives: whole pages; where the guest, which can address `reach` bytes, finds
    /// them.
    ///
    /// # Errors
    /// [`MemoryError::Slot`] if KVM refuses, [`MemoryError::Exhausted`] if there is no room left.
    pub fn attach(&self, host: Range<u64>, reach: u64) -> Result<GuestPhysical, MemoryError> {
        let mut state = self.lock();
        let size = host.end - host.start;
        let at = self.limit + state.attached;
        if at + size > reach {
            return Err(MemoryError::Exhausted { limit: self.limit });
        }
        let region = kvm_userspace_memory_region {
            slot: state.slots.len() as u32,
            flags: KVM_MEM_READONLY,
            guest_phys_addr: at,
            memory_size: size,
            userspace_addr: host.start,
        };
        // SAFETY: the caller keeps the range mapped; KVM only reads it, and no other slot is there.
        unsafe { state.vm.set_user_memory_region(region) }
            .map_err(|source| MemoryError::Slot { size, source })?;
        state.attached += size.next_multiple_of(LARGE_PAGE_SIZE);
        state.slots.push(region);
        Ok(GuestPhysical(at))
    }

    /// Takes blocks back and drops their contents. Blocks that are not in use as `what` stay.
    pub fn release(&self, start: GuestPhysical, count: u64, what: Use) {
        let first = start.0 / LARGE_PAGE_SIZE;
        let mut state = self.lock();
        for block in first..first.saturating_add(count).min(state.next) {
            let Some(cell) = self.uses.get(block as usize) else {
                break;
            };
            let mine = cell.compare_exchange(
                what as u8,
                Use::Free as u8,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if mine.is_err() {
                continue;
            }
            self.reset(GuestPhysical(block * LARGE_PAGE_SIZE), LARGE_PAGE_SIZE);
            let mut run = (block, 1);
            if let Some((&before, &length)) = state.free.range(..block).next_back() {
                if before + length == block {
                    state.free.remove(&before);
                    run = (before, length + 1);
                }
            }
            if let Some(length) = state.free.remove(&(block + 1)) {
                run.1 += length;
            }
            state.free.insert(run.0, run.1);
        }
    }

    /// What the block of this address is used for.
    #[must_use]
    pub fn use_of(&self, at: GuestPhysical) -> Use {
        let value = self
            .uses
            .get((at.0 / LARGE_PAGE_SIZE) as usize)
            .map_or(0, |cell| cell.load(Ordering::Acquire));
        match value {
            1 => Use::Tables,
            2 => Use::Runtime,
            3 => Use::Granted,
            4 => Use::Application,
            _ => Use::Free,
        }
    }

    /// Bytes in use as `what`.
    #[must_use]
    pub fn in_use(&self, what: Use) -> u64 {
        let blocks = self.lock().next;
        let used = (0..blocks).filter(|block| {
            let at = GuestPhysical(block * LARGE_PAGE_SIZE);
            self.use_of(at) == what
        });
        used.count() as u64 * LARGE_PAGE_SIZE
    }

    /// Whether every block of `[at, at + length)` is in use as `what`.
    #[must_use]
    pub fn is_all(&self, at: GuestPhysical, length: u64, what: Use) -> bool {
        let Some(end) = at.0.checked_add(length) else {
            return false;
        };
        let mut block = at.align_down(LARGE_PAGE_SIZE);
        while block.0 < end {
            if self.use_of(block) != what {
                return false;
            }
            block = block.add(LARGE_PAGE_SIZE);
        }
        true
    }

    /// The host address of `[at, at + length)`, if that lies within the reservation.
    #[must_use]
    pub fn host(&self, at: GuestPhysical, length: u64) -> Option<*mut u8> {
        let end = at.0.checked_add(length)?;
        (end <= self.limit).then(|| self.base.wrapping_add(at.0 as usize))
    }

    /// Drops the contents of whole pages: private memory reads zero afterwards.
    pub fn discard(&self, at: GuestPhysical, length: u64) {
        if !self.madvise(at, length, libc::MADV_DONTNEED) {
            // Memory that the program has locked.
            self.reset(at, length);
        }
    }

    /// Has the host provide the range at once, which is cheaper than page by page; a host that
    /// cannot (Linux before 5.14) does so when it is touched.
    pub fn provide(&self, at: GuestPhysical, length: u64) {
        self.madvise(at, length, libc::MADV_POPULATE_WRITE);
    }

    /// Asks the host to back the range with huge pages; a host without them ignores it.
    pub fn advise_huge(&self, at: GuestPhysical, length: u64) {
        self.madvise(at, length, libc::MADV_HUGEPAGE);
    }

    /// Whether the host took the advice.
    fn madvise(&self, at: GuestPhysical, length: u64, advice: i32) -> bool {
        self.host(at, length).is_some_and(|host| {
            // SAFETY: the range lies in the reservation; the advice at most zeroes guest memory.
            unsafe { libc::madvise(host.cast(), length as usize, advice) == 0 }
        })
    }

    /// Makes the range plain private zero memory again, whatever was mapped there.
    pub fn reset(&self, at: GuestPhysical, length: u64) {
        if let Some(host) = self.host(at, length) {
            // SAFETY: the range lies in the reservation and nothing but the guest's memory is
            // there; it is replaced in one step, so no other mapping can slip in.
            unsafe {
                libc::mmap(
                    host.cast(),
                    length as usize,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED,
                    -1,
                    0,
                );
            }
        }
    }
}

impl Drop for Physical {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `new`; the machine that used it is gone.
        unsafe { libc::munmap(self.base.cast(), self.limit as usize) };
    }
}
