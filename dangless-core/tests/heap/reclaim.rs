//! Addresses are used again, but never while a word of the program refers to them.

use std::collections::HashSet;

use crate::machine::{Kind, Simulation, ALIAS};
use dangless_core::abi::config::Config;
use dangless_core::abi::error::{kind, ErrorRecord};
use dangless_core::address::{GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};
use dangless_core::heap::{FreeError, Heap, Layout, OutOfMemory, Space};

/// A program in a small alias region. What it knows is what the heap is told.
struct Program {
    space: Space<Simulation>,
    heap: Heap,
    seed: u64,
    /// Address, size, value of the first word.
    live: Vec<(GuestVirtual, u64, u64)>,
    /// Dangling pointers.
    stale: Vec<(GuestVirtual, u64)>,
    /// Pages ever used, and how often one was used again.
    pages: HashSet<u64>,
    again: u64,
}

impl Program {
    fn new(immediate: bool, config: Config) -> Self {
        let kind = Kind {
            blocks: 96,
            immediate,
        };
        Self {
            space: Space::new(Simulation::new(kind), &config).unwrap(),
            heap: Heap::new(),
            seed: 1,
            live: Vec::new(),
            stale: Vec::new(),
            pages: HashSet::new(),
            again: 0,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below
    }

    /// Tells the heap what the program has in registers and on its stack. Every second dangling
    /// pointer is in an object instead, which is the first that is live.
    fn set_roots(&self) {
        let mut roots = self.space.machine().roots.lock().unwrap();
        roots.clear();
        roots.extend(self.live.iter().map(|(at, ..)| at.0));
        for (index, (at, _)) in self.stale.iter().enumerate() {
            if index % 2 == 0 {
                // Tagged.
                roots.push(at.0 | 0xa5 << 56);
            } else {
                let word = self.live[0].0.add(index as u64 * 8);
                self.space.machine().write(word, at.0);
            }
        }
    }

    fn allocate(&mut self, size: u64) -> Result<GuestVirtual, OutOfMemory> {
        let layout = Layout {
            size,
            align: 1,
            zeroed: false,
        };
        let at = self.space.allocate(&mut self.heap, layout, &[size], 7)?;
        for page in at.0 / PAGE_SIZE..=(at.0 + size - 1) / PAGE_SIZE {
            self.again += u64::from(!self.pages.insert(page));
            assert!(
                !self.stale.iter().any(|(stale, size)| {
                    (stale.0 / PAGE_SIZE..=(stale.0 + size - 1) / PAGE_SIZE).contains(&page)
                }),
                "{at} is where a dangling pointer points to"
            );
        }
        Ok(at)
    }

    fn keep(&mut self, at: GuestVirtual, size: u64) {
        let value = self.random(u64::MAX);
        self.space.machine().write(at, value);
        self.live.push((at, size, value));
    }

    fn check(&self, index: usize) {
        let (at, size, value) = self.live[index];
        assert_eq!(self.space.machine().read(at), value, "{at}");
        let mut record = ErrorRecord::default();
        assert!(self.space.describe(at, &mut record));
        assert_eq!((record.kind, record.size), (kind::LIVE, size));
        assert_eq!((record.alloc_thread, record.alloc.address[0]), (7, size));
    }

    fn free(&mut self, index: usize) -> (GuestVirtual, u64) {
        self.check(index);
        let (at, size, _) = self.live.swap_remove(index);
        self.space.free(&mut self.heap, at, &[], 7).unwrap();
        (at, size)
    }
}

fn config(windows: u64, budget: u64) -> Config {
    Config {
        alias_end: ALIAS + windows * LARGE_PAGE_SIZE,
        ..Simulation::config(1, budget)
    }
}

const SIZES: [u64; 6] = [24, 100, 700, 5000, 60_000, 3 << 20];

#[test]
fn a_small_region_serves_a_long_program() {
    for (immediate, budget) in [(false, 1000), (true, 0), (true, 1000)] {
        let mut program = Program::new(immediate, config(512, budget));
        let mut blocks = Vec::new();
        let holder = program.allocate(300).unwrap();
        program.keep(holder, 300);
        for step in 0..60_000u64 {
            let size = SIZES[if step % 1000 == 0 {
                5
            } else {
                program.random(5) as usize
            }];
            program.set_roots();
            let at = program
                .allocate(size)
                .unwrap_or_else(|_| panic!("step {step}: out of addresses"));
            program.keep(at, size);
            if program.live.len() > 60 {
                let index = 1 + program.random(60) as usize;
                let gone = program.free(index);
                if step % 97 == 0 {
                    program.stale.push(gone);
                    if program.stale.len() > 20 {
                        program.stale.remove(0);
                    }
                }
            }
            for (stale, _) in program.stale.iter().take(2) {
                let freed = program.space.free(&mut program.heap, *stale, &[], 0);
                assert_eq!(freed, Err(FreeError::Double));
            }
            if step % 1000 == 0 {
                program.space.drain(&mut program.heap);
                for (stale, _) in &program.stale {
                    assert_eq!(program.space.machine().access(*stale), None);
                }
                (0..program.live.len()).for_each(|index| program.check(index));
            }
            if step % 10_000 == 9999 {
                blocks.push(program.space.machine().free_blocks());
            }
        }
        assert!(program.again > 500, "{} pages came again", program.again);
        assert!(blocks[5] + 3 >= blocks[1], "{blocks:?}");
    }
}

#[test]
fn pointers_in_objects_count_and_hidden_ones_do_not() {
    let size = 3 << 20;
    for holder in [64, 9000, 5 << 20] {
        let mut program = Program::new(false, config(4096, 1000));
        let at = program.allocate(holder).unwrap();
        program.keep(at, holder);
        let mut dead = Vec::new();
        for _ in 0..3 {
            let at = program.allocate(size).unwrap();
            program.keep(at, size);
            let (at, _) = program.free(1);
            dead.push(at);
        }
        // A live object holds the end of the first, and nothing the others.
        let word = holder / 2 / 8 * 8;
        let pointer = dead[0].add(size);
        program
            .space
            .machine()
            .write(program.live[0].0.add(word), pointer.0);
        program.live[0].2 = program.space.machine().read(program.live[0].0);
        program.set_roots();
        assert!(program.space.reclaim(&mut program.heap) > 0);
        let mut record = ErrorRecord::default();
        assert!(
            program.space.describe(dead[0], &mut record),
            "{size} {holder}"
        );
        assert_eq!(record.kind, kind::FREED);
        let same = |other: &GuestVirtual| {
            other.0 / LARGE_PAGE_SIZE == dead[0].0 / LARGE_PAGE_SIZE
                || other.0 / LARGE_PAGE_SIZE == pointer.0 / LARGE_PAGE_SIZE
        };
        let other = dead.iter().find(|other| !same(other)).unwrap();
        assert!(!program.space.describe(*other, &mut record), "{holder}");
        program.check(0);
    }
}

#[test]
fn nothing_is_reclaimed_when_that_is_not_wanted() {
    let config = Config {
        reclaim: u64::MAX,
        ..config(64, 1000)
    };
    let mut program = Program::new(false, config);
    let mut served = 0;
    while let Ok(at) = program.allocate(100_000) {
        program.keep(at, 100_000);
        program.free(0);
        served += 1;
    }
    assert!(served > 100 && program.again == 0);
}

#[test]
fn the_period_is_kept() {
    let config = Config {
        reclaim: 16,
        ..config(4096, 1000)
    };
    let mut program = Program::new(false, config);
    let mut windows = HashSet::new();
    for _ in 0..20_000 {
        let at = program.allocate(200_000).unwrap();
        windows.insert(at.0 / LARGE_PAGE_SIZE);
        program.keep(at, 200_000);
        program.free(0);
    }
    assert!(windows.len() < 200, "{} windows", windows.len());
}

/// Directories of dead windows go back: a region of many is used up, all is freed, and what is
/// left is what was there at first.
#[test]
fn directories_go_back() {
    let mut program = Program::new(false, config(1 << 15, 1000));
    let mut before = 0;
    for round in 0..4 {
        for _ in 0..500 {
            let at = program.allocate(9 << 20).unwrap();
            program.keep(at, 9 << 20);
            program.free(0);
        }
        assert!(program.space.reclaim(&mut program.heap) > 1000);
        if round == 0 {
            before = program.space.machine().free_blocks();
        }
    }
    assert_eq!(program.space.machine().free_blocks(), before);
}
