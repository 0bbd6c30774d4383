//! Addresses are used again while several processors run: all stand still meanwhile, and what any
//! of them refers to is left alone.

use std::collections::HashSet;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Mutex;

use crate::machine::{be, Kind, Simulation, ALIAS};
use dangless_core::abi::config::Config;
use dangless_core::address::{GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};
use dangless_core::heap::{Heap, Layout, Space};

const THREADS: usize = 3;
/// Dangling pointers that a thread keeps.
const STALE: usize = 12;
const LIVE: usize = 40;
const SIZES: [u64; 7] = [24, 24, 100, 700, 5000, 60_000, 3 << 20];

/// An object: address, size, value of its first word.
type Object = (GuestVirtual, u64, u64);

/// What all threads see.
struct Shared {
    space: Space<Simulation>,
    /// Dangling pointers of all threads, with the objects' sizes; some are not freed yet.
    stale: Mutex<HashSet<(u64, u64)>>,
    /// Pages ever used, and how often one was used again.
    pages: Mutex<HashSet<u64>>,
    again: AtomicU64,
    failed: AtomicU64,
}

/// A heap on its way to its thread.
struct Given(NonNull<Heap>);

// SAFETY: the heap is that thread's alone until it has ended.
unsafe impl Send for Given {}

impl Given {
    fn take<'h>(mut self) -> &'h mut Heap {
        // SAFETY: as above; it stays where it is for good.
        unsafe { self.0.as_mut() }
    }
}

/// One thread of a program.
struct Thread<'s> {
    shared: &'s Shared,
    index: usize,
    heap: &'s mut Heap,
    seed: u64,
    live: Vec<Object>,
    stale: Vec<(u64, u64)>,
    /// Objects that this thread has to free, and those that the next one has to.
    incoming: Receiver<Object>,
    outgoing: Sender<Object>,
}

impl Thread<'_> {
    fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below
    }

    fn machine(&self) -> &Simulation {
        self.shared.space.machine()
    }

    fn allocate(&mut self) -> Option<Object> {
        let size = match self.random(500) {
            0 => SIZES[6],
            other => SIZES[other as usize % 6],
        };
        let layout = Layout {
            size,
            align: 1,
            zeroed: false,
        };
        let made = self.shared.space.allocate(self.heap, layout, &[size], 7);
        let Ok(at) = made else {
            self.shared.failed.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let own = at.0..at.0 + size;
        for &(start, bytes) in &*self.shared.stale.lock().unwrap() {
            let overlaps = start < own.end && own.start < start + bytes;
            assert!(!overlaps, "{at} is where a dangling pointer points to");
        }
        let mut pages = self.shared.pages.lock().unwrap();
        for page in own.start / PAGE_SIZE..=(own.end - 1) / PAGE_SIZE {
            let known = !pages.insert(page);
            self.shared
                .again
                .fetch_add(u64::from(known), Ordering::Relaxed);
        }
        drop(pages);
        let value = self.random(u64::MAX);
        self.machine().write(at, value);
        Some((at, size, value))
    }

    fn free(&mut self, (at, _, value): Object) {
        assert_eq!(self.machine().read(at), value, "{at}");
        self.shared.space.free(self.heap, at, &[], 7).unwrap();
    }

    /// Keeps the pointer to an object that is about to be freed, by this thread or another.
    fn keep_stale(&mut self, at: GuestVirtual, size: u64) {
        if self.stale.len() == STALE {
            let old = self.stale.remove(0);
            self.shared.stale.lock().unwrap().remove(&old);
        }
        self.stale.push((at.0, size));
        let known: Vec<u64> = self.stale.iter().map(|&(at, _)| at).collect();
        *self.machine().known[self.index].lock().unwrap() = known;
        self.shared.stale.lock().unwrap().insert((at.0, size));
    }

    fn step(&mut self, step: u64) {
        let Some(object) = self.allocate() else {
            return;
        };
        self.live.push(object);
        if self.live.len() > LIVE {
            let index = self.random(LIVE as u64) as usize;
            let object = self.live.swap_remove(index);
            if step % 61 == 0 {
                self.keep_stale(object.0, object.1);
            }
            match step % 3 {
                // To nobody, where the other thread has ended.
                0 => drop(self.outgoing.send(object)),
                _ => self.free(object),
            }
        }
        while let Ok(object) = self.incoming.try_recv() {
            self.free(object);
        }
        self.machine().safe_point();
        self.shared.space.catch_up();
        if step % 100 == 0 {
            self.shared.space.tick(self.heap);
        }
    }

    fn run(mut self, steps: u64) {
        be(self.index);
        self.machine().join();
        self.shared.space.catch_up();
        (0..steps).for_each(|step| self.step(step));
        for object in std::mem::take(&mut self.live) {
            self.free(object);
        }
        let mut stale = self.shared.stale.lock().unwrap();
        for old in &self.stale {
            stale.remove(old);
        }
        drop(stale);
        self.machine().known[self.index].lock().unwrap().clear();
        self.shared.space.drain(self.heap);
        self.machine().leave();
    }
}

#[test]
fn several_processors_reclaim() {
    for (immediate, profile, budget) in
        [(false, 1, 1000), (true, 1, 0), (true, 2, 0), (false, 2, 0)]
    {
        let blocks = 512;
        let config = Config {
            alias_end: ALIAS + 1024 * LARGE_PAGE_SIZE,
            ..Simulation::config(profile, budget)
        };
        let simulation = Simulation::new(Kind { blocks, immediate });
        let shared = Shared {
            space: Space::new(simulation, &config).unwrap(),
            stale: Mutex::default(),
            pages: Mutex::default(),
            again: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        for round in 1..=2 {
            let heaps: Vec<_> = (0..THREADS as u64)
                .map(|index| shared.space.thread_start(index).unwrap())
                .collect();
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| channel()).unzip();
            std::thread::scope(|scope| {
                for (index, incoming) in receivers.into_iter().enumerate() {
                    let (heap, shared) = (Given(heaps[index]), &shared);
                    let outgoing = senders[(index + 1) % THREADS].clone();
                    scope.spawn(move || {
                        let thread = Thread {
                            shared,
                            index,
                            heap: heap.take(),
                            seed: round * 100 + index as u64,
                            live: Vec::new(),
                            stale: Vec::new(),
                            incoming,
                            outgoing,
                        };
                        thread.run(8000);
                    });
                }
                drop(senders);
            });
            be(0);
            for heap in heaps {
                // SAFETY: from `thread_start`, and its thread has ended.
                unsafe { shared.space.thread_exit(heap) };
            }
        }
        let again = shared.again.load(Ordering::Relaxed);
        assert!(again > 1000, "{again} pages came again");
        assert_eq!(
            shared.failed.load(Ordering::Relaxed),
            0,
            "{immediate} {profile}"
        );
    }
}
