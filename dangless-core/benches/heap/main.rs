//! What the heap's own code costs, without a guest: no translation, no flush, no object touched.
//!
//! `cargo bench --package dangless-core`; `scripts/bench alloc` measures the whole.

mod machine;

use criterion::Criterion;
use dangless_core::address::GuestVirtual;
use dangless_core::heap::{Heap, Layout, Space};
use machine::Bare;
use std::hint::black_box;

/// Live objects of the churn.
const LIVE: usize = 10_000;

/// A thread's calls of the malloc family.
struct Program {
    space: Space<Bare>,
    heap: Heap,
    random: u64,
}

impl Program {
    fn new(shadow_paging: bool, profile: u64) -> Self {
        let space = Space::new(Bare::new(shadow_paging), &Bare::config(profile));
        Self {
            space: space.expect("memory for a heap"),
            heap: Heap::new(),
            random: 88_172_645_463_325_252,
        }
    }

    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 32
    }

    fn allocate(&mut self, size: u64) -> GuestVirtual {
        let layout = Layout {
            size,
            align: 16,
            zeroed: false,
        };
        let quick = self.space.allocate_quickly(&mut self.heap, size, 1);
        quick.unwrap_or_else(|| {
            let object = self.space.allocate(&mut self.heap, layout, &[], 1);
            object.expect("memory for an object")
        })
    }

    fn free(&mut self, at: GuestVirtual) {
        if !self.space.free_quickly(&mut self.heap, at, 1) {
            let freed = self.space.free(&mut self.heap, at, &[], 1);
            freed.expect("a live object");
        }
    }
}

fn heaps(criterion: &mut Criterion) {
    let machines = [("ring 0", false), ("ring 3", true)];
    let profiles = [("detect, no stacks", 1), ("protect", 2)];
    for (machine, shadow_paging) in machines {
        for (profile, number) in profiles {
            let name = |case: &str| format!("{case}/{machine}/{profile}");
            let mut program = Program::new(shadow_paging, number);
            criterion.bench_function(&name("pair of 48 bytes"), |bencher| {
                bencher.iter(|| {
                    let at = program.allocate(black_box(48));
                    program.free(at);
                });
            });
            let mut program = Program::new(shadow_paging, number);
            criterion.bench_function(&name("pair of 16 to 1024 bytes"), |bencher| {
                bencher.iter(|| {
                    let size = 16 + program.next() % 1009;
                    let at = program.allocate(size);
                    program.free(at);
                });
            });
            let mut program = Program::new(shadow_paging, number);
            let mut live: Vec<_> = (0..LIVE).map(|_| program.allocate(100)).collect();
            criterion.bench_function(&name("one of 10,000 replaced"), |bencher| {
                bencher.iter(|| {
                    let random = program.next();
                    let which = (random >> 8) as usize % LIVE;
                    program.free(live[which]);
                    live[which] = program.allocate(16 + random % 496);
                });
            });
            let mut program = Program::new(shadow_paging, number);
            criterion.bench_function(&name("realloc from 64 bytes to 4 MiB"), |bencher| {
                bencher.iter(|| {
                    let mut at = program.allocate(64);
                    for shift in 7..=22 {
                        let moved =
                            program
                                .space
                                .reallocate(&mut program.heap, at, 1 << shift, &[], 1);
                        at = moved.expect("memory for an object");
                    }
                    program.free(at);
                });
            });
        }
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    heaps(&mut criterion);
    criterion.final_summary();
}
