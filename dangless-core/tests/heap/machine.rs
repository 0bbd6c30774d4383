//! A machine with physical memory, page tables and processors whose TLBs forget nothing until they
//! are flushed. Each flush is the calling thread's processor's own, but under shadow paging.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use dangless_core::abi::config::Config;
use dangless_core::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};
use dangless_core::heap::{Machine, Stop};
use dangless_core::paging::{Flusher, Level, Mapper, TableMemory};

/// Start of the simulated alias region.
pub const ALIAS: u64 = 16 << 40;
/// Windows of the region.
pub const WINDOWS: u64 = 1 << 17;
/// The root table lies in block 0, which is never granted.
pub const ROOT: GuestPhysical = GuestPhysical(0x3000);

/// What the machine does differently from an ideal one.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// 2 MiB blocks of memory.
    pub blocks: u64,
    /// Shadow paging: directory edits drop what depends on them.
    pub immediate: bool,
}

/// A translation that a processor remembers.
#[derive(Clone, Copy)]
struct Remembered {
    to: u64,
    /// Where the entries of the directory and of the table above it lie that it was made from.
    directories: [Option<GuestPhysical>; 2],
}

struct Supply {
    free: BTreeSet<u64>,
    dirty: BTreeSet<u64>,
    /// Blocks until grants fail.
    left: u64,
}

/// What one processor remembers: small pages by page number, large ones by large-page number.
type Tlb = Mutex<[HashMap<u64, Remembered>; 2]>;

/// Most processors.
pub const PROCESSORS: usize = 8;

thread_local! {
    /// The processor that the test's thread is.
    static PROCESSOR: Cell<usize> = const { Cell::new(0) };
}

/// Makes the calling thread a processor.
pub fn be(processor: usize) {
    PROCESSOR.set(processor);
}

/// The processors that run, and whether they have to stand still: what the VMM does in a real
/// machine.
#[derive(Default)]
struct World {
    state: Mutex<Standing>,
    changed: Condvar,
    /// Whether anybody is to stand still, for a quick look.
    asked: AtomicBool,
}

#[derive(Default)]
struct Standing {
    running: usize,
    is_held: bool,
}

impl World {
    fn join(&self) {
        let state = self.state.lock().unwrap();
        let mut state = self.changed.wait_while(state, |now| now.is_held).unwrap();
        state.running += 1;
    }

    fn leave(&self, word: &AtomicU64) {
        word.store(0, Ordering::SeqCst);
        self.state.lock().unwrap().running -= 1;
        self.changed.notify_all();
    }

    /// The processor stands still, outside, until nobody wants that any more.
    fn stand_still(&self, mut state: MutexGuard<'_, Standing>, word: &AtomicU64) {
        word.store(0, Ordering::SeqCst);
        state.running -= 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |now| now.is_held).unwrap();
        state.running += 1;
    }

    fn safe_point(&self, word: &AtomicU64) -> bool {
        if !self.asked.load(Ordering::SeqCst) {
            return false;
        }
        let state = self.state.lock().unwrap();
        let held = state.is_held;
        if held {
            self.stand_still(state, word);
        }
        held
    }

    fn stop(&self, word: &AtomicU64) -> Stop {
        let mut state = self.state.lock().unwrap();
        if state.running == 0 {
            // The test does not say when its processors run.
            return Stop::Refused;
        }
        if state.is_held {
            self.stand_still(state, word);
            return Stop::Busy;
        }
        word.store(0, Ordering::SeqCst);
        state.is_held = true;
        self.asked.store(true, Ordering::SeqCst);
        drop(
            self.changed
                .wait_while(state, |now| now.running > 1)
                .unwrap(),
        );
        Stop::Done
    }

    fn resume(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_held = false;
        self.asked.store(false, Ordering::SeqCst);
        self.changed.notify_all();
    }
}

pub struct Simulation {
    kind: Kind,
    memory: Words,
    windows: Words,
    supply: Mutex<Supply>,
    tlbs: [Tlb; PROCESSORS],
    /// Directory entries that translations were ever made from.
    directories: Mutex<HashSet<u64>>,
    epochs: [AtomicU64; PROCESSORS],
    /// The clock that counts epochs.
    clock: AtomicU64,
    time: AtomicU64,
    /// What the program has in registers, stacks and globals.
    pub roots: Mutex<Vec<u64>>,
    /// What the thread on each processor has in registers and on its stack.
    pub known: [Mutex<Vec<u64>>; PROCESSORS],
    /// Stops all processors but one.
    world: World,
    /// Bytes that the heap copied.
    pub copied: AtomicU64,
    /// Bytes that the heap cleared.
    pub cleared: AtomicU64,
    /// Times that the heap was in a hurry.
    pub hurries: AtomicU64,
    /// Flushes so far.
    pub flushes: AtomicU64,
}

/// Words of zero, the first at a multiple of [`Words::ALIGN`].
struct Words {
    words: Vec<AtomicU64>,
    first: usize,
}

impl Words {
    /// As records of the heap want it.
    const ALIGN: usize = 64;

    fn zeroed(count: u64) -> Self {
        let plain = vec![0u64; count as usize + Self::ALIGN / 8];
        let mut plain = std::mem::ManuallyDrop::new(plain);
        // SAFETY: an AtomicU64 has the size and alignment of a u64, and the vector is taken over
        // whole.
        let words: Vec<AtomicU64> = unsafe {
            Vec::from_raw_parts(plain.as_mut_ptr().cast(), plain.len(), plain.capacity())
        };
        let at = words.as_ptr() as usize;
        let first = (at.next_multiple_of(Self::ALIGN) - at) / 8;
        Self { words, first }
    }

    fn get(&self, index: usize) -> &AtomicU64 {
        &self.words[self.first + index]
    }

    /// Where the words start.
    fn start(&self) -> *mut u8 {
        let start = self.words.as_ptr().wrapping_add(self.first);
        start.cast_mut().cast()
    }
}

impl Simulation {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            memory: Words::zeroed(kind.blocks * LARGE_PAGE_SIZE / 8),
            windows: Words::zeroed(WINDOWS * 32),
            supply: Mutex::new(Supply {
                free: (1..kind.blocks).collect(),
                dirty: BTreeSet::new(),
                left: u64::MAX,
            }),
            tlbs: Default::default(),
            directories: Mutex::default(),
            epochs: Default::default(),
            clock: AtomicU64::new(0),
            time: AtomicU64::new(0),
            hurries: AtomicU64::new(0),
            roots: Mutex::default(),
            known: Default::default(),
            world: World::default(),
            copied: AtomicU64::new(0),
            cleared: AtomicU64::new(0),
            flushes: AtomicU64::new(0),
        }
    }

    /// A configuration for this machine.
    pub fn config(profile: u64, revoke_budget: u64) -> Config {
        Config {
            profile,
            revoke_budget,
            stack_depth: 8,
            alias_start: ALIAS,
            alias_end: ALIAS + WINDOWS * LARGE_PAGE_SIZE,
            tsc_per_ms: 1,
            ..Config::default()
        }
    }

    /// Lets `left` more blocks be granted.
    pub fn limit_blocks(&self, left: u64) {
        self.supply.lock().unwrap().left = left;
    }

    pub fn free_blocks(&self) -> u64 {
        self.supply.lock().unwrap().free.len() as u64
    }

    /// Up to which epoch a processor has flushed.
    pub fn flushed_word(&self, processor: usize) -> u64 {
        self.epochs[processor].load(Ordering::SeqCst)
    }

    /// The calling thread's processor begins to run.
    pub fn join(&self) {
        self.world.join();
    }

    /// The processor runs no more.
    pub fn leave(&self) {
        self.world.leave(self.processor_word());
    }

    /// Stands still while another thread wants it; called outside of the heap.
    pub fn safe_point(&self) {
        self.world.safe_point(self.processor_word());
    }

    fn processor_word(&self) -> &AtomicU64 {
        &self.epochs[PROCESSOR.get()]
    }

    /// Lets time pass.
    pub fn pass(&self, ticks: u64) {
        self.time.fetch_add(ticks, Ordering::Relaxed);
    }

    /// Where a processor gets to that accesses `at`: through what it remembers, however stale, or
    /// else by a walk, which it then remembers. `None` is a page fault.
    pub fn access(&self, at: GuestVirtual) -> Option<u64> {
        let mapper = Mapper::new(self, ROOT);
        let levels = [Level::Directory, Level::Pointers];
        let directories = levels.map(|level| mapper.find_entry(at, level));
        let mut tlb = self.tlb();
        for (map, size) in tlb.iter_mut().zip([PAGE_SIZE, LARGE_PAGE_SIZE]) {
            let page = at.0 / size;
            if let Some(old) = map.get(&page) {
                return Some(old.to + at.0 % size);
            }
        }
        let walk = mapper.translate(at)?;
        assert!(walk.flags.write && !walk.flags.execute);
        let to = walk.physical.0 - at.0 % walk.page_size;
        for entry in directories.iter().flatten() {
            self.directories.lock().unwrap().insert(entry.0);
        }
        let map = &mut tlb[usize::from(walk.page_size != PAGE_SIZE)];
        map.insert(at.0 / walk.page_size, Remembered { to, directories });
        Some(walk.physical.0)
    }

    fn tlb(&self) -> MutexGuard<'_, [HashMap<u64, Remembered>; 2]> {
        self.tlbs[PROCESSOR.get()].lock().unwrap()
    }

    /// The TLBs that a flush reaches.
    fn reached(&self) -> &[Tlb] {
        let own = PROCESSOR.get();
        if self.kind.immediate {
            &self.tlbs
        } else {
            &self.tlbs[own..=own]
        }
    }

    fn word(&self, at: u64) -> &AtomicU64 {
        self.memory.get(at as usize / 8)
    }

    /// Writes the 8-byte word at `at` of an object, as the program does.
    pub fn write(&self, at: GuestVirtual, value: u64) {
        let to = self.access(at).expect("a live object is mapped");
        self.word(to).store(value, Ordering::Relaxed);
    }

    /// Reads the 8-byte word at `at` of an object.
    pub fn read(&self, at: GuestVirtual) -> u64 {
        let to = self.access(at).expect("a live object is mapped");
        self.word(to).load(Ordering::Relaxed)
    }
}

impl TableMemory for Simulation {
    fn load(&self, at: GuestPhysical) -> u64 {
        self.word(at.0).load(Ordering::Acquire)
    }
    fn store(&self, at: GuestPhysical, value: u64) {
        self.word(at.0).store(value, Ordering::Release);
    }
    fn allocate_table(&self) -> Option<GuestPhysical> {
        None
    }
    fn is_table(&self, _at: GuestPhysical) -> bool {
        true
    }
}

impl Flusher for Simulation {
    fn flush_page(&self, at: GuestVirtual) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        for tlb in self.reached() {
            let mut tlb = tlb.lock().unwrap();
            tlb[0].remove(&(at.0 / PAGE_SIZE));
            tlb[1].remove(&(at.0 / LARGE_PAGE_SIZE));
        }
    }

    fn flush_all(&self) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        for tlb in self.reached() {
            tlb.lock().unwrap().iter_mut().for_each(HashMap::clear);
        }
    }
}

// SAFETY: both vectors live as long as the simulation, are zero at first and never move; grants
// are zeroed, and tests read and write them only through atomics or where the heap says so.
unsafe impl Machine for Simulation {
    fn grant(&self, blocks: u64, _huge: bool) -> Option<GuestPhysical> {
        let mut supply = self.supply.lock().unwrap();
        let Supply { free, dirty, left } = &mut *supply;
        if *left < blocks {
            return None;
        }
        *left -= blocks;
        let last = self.kind.blocks.checked_sub(blocks)?;
        let start =
            (1..=last).find(|start| (*start..start + blocks).all(|block| free.contains(&block)))?;
        for block in start..start + blocks {
            free.remove(&block);
            if dirty.remove(&block) {
                self.discard(GuestPhysical(block * LARGE_PAGE_SIZE), LARGE_PAGE_SIZE);
            }
        }
        Some(GuestPhysical(start * LARGE_PAGE_SIZE))
    }

    fn release(&self, start: GuestPhysical, blocks: u64) {
        let mut supply = self.supply.lock().unwrap();
        let first = start.0 / LARGE_PAGE_SIZE;
        for block in first..first + blocks {
            assert!(block > 0 && block < self.kind.blocks);
            assert!(supply.free.insert(block), "block {block} was not granted");
            supply.dirty.insert(block);
        }
    }

    fn discard(&self, start: GuestPhysical, bytes: u64) {
        for at in (start.0..start.0 + bytes).step_by(8) {
            let word = self.word(at);
            // Untouched memory stays untouched.
            if word.load(Ordering::Relaxed) != 0 {
                word.store(0, Ordering::Relaxed);
            }
        }
    }

    fn direct(&self, at: GuestPhysical) -> *mut u8 {
        self.memory.start().wrapping_add(at.0 as usize)
    }

    fn window_records(&self) -> *mut u8 {
        self.windows.start()
    }

    fn root(&self) -> GuestPhysical {
        ROOT
    }

    fn now(&self) -> u64 {
        self.time.fetch_add(1, Ordering::Relaxed)
    }

    fn directory_edits_are_immediate(&self) -> bool {
        self.kind.immediate
    }

    fn flushes_reach_all(&self) -> bool {
        self.kind.immediate
    }

    fn processor(&self) -> u64 {
        PROCESSOR.get() as u64
    }

    fn flushed(&self, index: u64) -> &AtomicU64 {
        &self.epochs[index as usize]
    }

    fn clock(&self) -> &AtomicU64 {
        &self.clock
    }

    fn hurry(&self) {
        self.hurries.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(std::time::Duration::from_micros(20));
    }

    fn stop(&self) -> Stop {
        self.world.stop(self.processor_word())
    }

    fn resume(&self) {
        self.world.resume();
    }

    fn roots(&self, mut visit: impl FnMut(u64)) -> bool {
        self.roots
            .lock()
            .unwrap()
            .iter()
            .copied()
            .for_each(&mut visit);
        for known in &self.known {
            known.lock().unwrap().iter().copied().for_each(&mut visit);
        }
        true
    }

    fn words(&self, at: GuestVirtual, bytes: u64, mut visit: impl FnMut(u64)) {
        for offset in (0..bytes / 8 * 8).step_by(8) {
            visit(self.read(at.add(offset)));
        }
    }

    fn table_written(&self, at: GuestPhysical) {
        if self.kind.immediate && self.directories.lock().unwrap().contains(&at.0) {
            for tlb in &self.tlbs {
                for map in tlb.lock().unwrap().iter_mut() {
                    map.retain(|_, old| !old.directories.contains(&Some(at)));
                }
            }
        }
    }

    unsafe fn copy(&self, from: GuestVirtual, to: GuestVirtual, bytes: u64) {
        self.copied.fetch_add(bytes, Ordering::Relaxed);
        for offset in (0..bytes).step_by(8) {
            self.write(to.add(offset), self.read(from.add(offset)));
        }
    }

    unsafe fn clear(&self, at: GuestVirtual, bytes: u64) {
        self.cleared.fetch_add(bytes, Ordering::Relaxed);
        for offset in (0..bytes).step_by(8) {
            self.write(at.add(offset), 0);
        }
    }
}
