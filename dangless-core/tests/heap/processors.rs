//! Several processors, each with what it alone remembers: no stale translation ever leads to another
//! live object, and heaps outlive their threads.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::machine::{be, Kind, Simulation};
use crate::model::Model;
use dangless_core::abi::config::Config;
use dangless_core::heap::{Heap, Layout, Space};
use proptest::prelude::*;

const RING0: Kind = Kind {
    blocks: 96,
    immediate: false,
};
const RING3: Kind = Kind {
    blocks: 96,
    immediate: true,
};

/// A model with three processors, the current one 0.
struct Several {
    model: Model,
    heaps: Vec<Heap>,
    outside: [bool; 3],
    current: usize,
}

impl Several {
    fn new(kind: Kind, profile: u64, budget: u64) -> Self {
        Self::configured(kind, &Simulation::config(profile, budget))
    }

    fn configured(kind: Kind, config: &Config) -> Self {
        let model = Model::configured(kind, config);
        for index in 0..3 {
            model.space.thread_start(index).unwrap();
            be(index as usize);
            model.space.catch_up();
        }
        be(0);
        Self {
            model,
            heaps: (0..3).map(|_| Heap::new()).collect(),
            outside: [false; 3],
            current: 0,
        }
    }

    /// Goes on as this processor.
    fn switch(&mut self, to: usize) {
        std::mem::swap(&mut self.model.heap, &mut self.heaps[self.current]);
        std::mem::swap(&mut self.model.heap, &mut self.heaps[to]);
        self.current = to;
        be(to);
        if std::mem::take(&mut self.outside[to]) {
            self.model.space.catch_up();
        }
    }

    /// What any running processor remembers of dead objects leads to no live one.
    fn check_stale(&self) {
        for processor in 0..3 {
            if !self.outside[processor] {
                be(processor);
                let recent = self.model.dead.iter().rev().take(300);
                for object in recent.chain(self.model.dead.iter().step_by(53)) {
                    self.model.check_dead(object, false);
                }
            }
        }
        be(self.current);
    }

    /// Every running processor touches every live object.
    fn touch_all(&self) {
        for processor in 0..3 {
            if !self.outside[processor] {
                be(processor);
                for index in 0..self.model.live.len() {
                    self.model.check_contents(index);
                }
            }
        }
        be(self.current);
    }

    fn finish(mut self) {
        for _ in 0..3 {
            for processor in 0..3 {
                self.switch(processor);
                self.model.space.drain(&mut self.model.heap);
            }
        }
        self.check_stale();
        for processor in [1, 2] {
            self.switch(processor);
            self.model.space.leave();
            self.outside[processor] = true;
        }
        self.switch(0);
        self.model.finish();
    }
}

#[test]
fn memory_waits_for_every_processor() {
    for (profile, budget, aliasing) in [(1, 1000, 0), (2, 0, 0), (1, 1000, 1), (2, 0, 1)] {
        for size in [48, 4096, 20_000, 3 << 20] {
            let config = Config {
                aliasing,
                ..Simulation::config(profile, budget)
            };
            let mut several = Several::configured(RING0, &config);
            // Objects with pages of their own are looked at one by one.
            let size = if aliasing == 1 { size.max(700) } else { size };
            let count = (6 << 20) / size;
            for round in 0..4 {
                for _ in 0..count {
                    several.model.allocate(size, 1, false).unwrap();
                }
                several.touch_all();
                while let Some(index) = several.model.live.len().checked_sub(1) {
                    several.model.free(index);
                }
                several.model.space.drain(&mut several.model.heap);
                several.check_stale();
                // Others have not flushed: memory must not come again, however often one asks.
                let held = several.model.machine().free_blocks();
                several.model.space.drain(&mut several.model.heap);
                assert_eq!(several.model.machine().free_blocks(), held);
                if round == 2 {
                    // One is as good as gone, and the other flushes.
                    several.switch(2);
                    several.model.space.leave();
                    several.outside[2] = true;
                }
                for processor in [1, 0, 1, 0] {
                    several.switch(processor);
                    several.model.space.drain(&mut several.model.heap);
                }
                several.model.dead.truncate(50);
            }
            several.finish();
        }
    }
}

#[test]
fn nothing_waits_where_one_flush_reaches_all() {
    let mut several = Several::new(RING3, 1, 1000);
    for _ in 0..500 {
        several.model.allocate(3000, 1, false).unwrap();
    }
    several.touch_all();
    while let Some(index) = several.model.live.len().checked_sub(1) {
        several.model.free(index);
    }
    several.model.space.drain(&mut several.model.heap);
    assert!(!several.model.space.has_pending());
    several.finish();
}

#[derive(Clone, Debug)]
enum Step {
    Switch(usize),
    Leave,
    Fill(u64, usize),
    Thin(usize),
    Free(usize),
    Reallocate(usize, u64),
    Touch,
    CatchUp,
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![
        Just(40u64),
        Just(900),
        Just(5000),
        Just(120_000),
        Just(3 << 20)
    ];
    prop_oneof![
        4 => (0usize..3).prop_map(Step::Switch),
        1 => Just(Step::Leave),
        3 => (size.clone(), 1usize..300)
            .prop_map(|(size, count)| Step::Fill(size, count.min(20_000_000 / size as usize))),
        2 => (1usize..20).prop_map(Step::Thin),
        4 => any::<usize>().prop_map(Step::Free),
        1 => (any::<usize>(), size).prop_map(|(index, size)| Step::Reallocate(index, size)),
        2 => Just(Step::Touch),
        2 => Just(Step::CatchUp),
        2 => Just(Step::Drain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stale_translations_lead_nowhere(
        steps in prop::collection::vec(step(), 1..80),
        (profile, budget) in prop_oneof![Just((1, 1000)), Just((1, 500)), Just((2, 0))],
        aliasing in prop_oneof![3 => Just(0u64), 1 => Just(1)],
    ) {
        let config = Config { aliasing, ..Simulation::config(profile, budget) };
        let mut several = Several::configured(Kind { blocks: 160, ..RING0 }, &config);
        for step in steps {
            let live = several.model.live.len();
            match step {
                Step::Switch(to) => several.switch(to),
                Step::Leave => {
                    let current = several.current;
                    several.model.space.leave();
                    several.outside[current] = true;
                    several.switch((current + 1) % 3);
                }
                Step::Fill(size, count) => {
                    for _ in 0..count {
                        let short = several.model.machine().free_blocks() < 24;
                        if short || several.model.allocate(size, 1, false).is_err() {
                            break;
                        }
                    }
                }
                Step::Thin(keep) => {
                    for index in (0..live).rev().filter(|index| keep == 1 || index % keep != 0) {
                        several.model.free(index);
                    }
                }
                Step::Free(index) if live > 0 => several.model.free(index % live),
                Step::Reallocate(index, size) if live > 0 => {
                    if several.model.machine().free_blocks() >= 24 {
                        let _ = several.model.reallocate(index % live, size);
                    }
                }
                Step::Touch => several.touch_all(),
                Step::CatchUp => several.model.space.catch_up(),
                Step::Drain => several.model.space.drain(&mut several.model.heap),
                Step::Free(_) | Step::Reallocate(..) => {}
            }
            several.check_stale();
        }
        several.finish();
    }
}

fn small(size: u64) -> Layout {
    Layout {
        size,
        align: 1,
        zeroed: false,
    }
}

/// Memory that waits is enough for the next object once the other processor is made to flush.
#[test]
fn short_of_memory_the_others_are_hurried() {
    for size in [300_000, 9 << 20] {
        let simulation = Simulation::new(Kind {
            blocks: 12,
            ..RING0
        });
        let space = Space::new(simulation, &Simulation::config(2, 1000)).unwrap();
        let mut own = space.thread_start(0).unwrap();
        space.catch_up();
        space.thread_start(1).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                be(1);
                space.catch_up();
                let mut seen = 0;
                while !stop.load(Ordering::Relaxed) {
                    let hurries = space.machine().hurries.load(Ordering::Relaxed);
                    if hurries != seen {
                        seen = hurries;
                        space.catch_up();
                    }
                    std::thread::yield_now();
                }
            });
            while space.machine().flushed_word(1) == 0 {
                std::thread::yield_now();
            }
            // SAFETY: the heap is this thread's.
            let heap = unsafe { own.as_mut() };
            let mut failed = false;
            for _ in 0..200 {
                let Ok(at) = space.allocate(heap, small(size), &[], 0) else {
                    failed = true;
                    break;
                };
                space.free(heap, at, &[], 0).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            assert!(!failed, "size {size}");
        });
        assert!(space.machine().hurries.load(Ordering::Relaxed) > 0);
    }
}

/// Threads that start and end leave nothing behind; what their heaps held is used again.
#[test]
fn heaps_are_adopted() {
    for kind in [RING0, RING3] {
        let blocks = 256;
        let simulation = Simulation::new(Kind { blocks, ..kind });
        let space = Space::new(simulation, &Simulation::config(1, 1000)).unwrap();
        let mut main = space.thread_start(0).unwrap();
        be(0);
        space.catch_up();
        // SAFETY: the heap is this thread's.
        let main = unsafe { main.as_mut() };
        let mut heaps: Vec<NonNull<Heap>> = Vec::new();
        let mut used = Vec::new();
        for round in 0..60u64 {
            // Now and then many are alive at once.
            let alive = if round % 20 == 10 { 40 } else { 1 };
            let mut kept = Vec::new();
            for _ in 0..alive {
                let mut heap = space.thread_start(1).unwrap();
                be(1);
                space.catch_up();
                // SAFETY: the heap is this thread's.
                let own = unsafe { heap.as_mut() };
                for size in [10, 100, 1000, 10_000] {
                    for count in 0..20u64 {
                        let at = space.allocate(own, small(size), &[1, 2], 1).unwrap();
                        space.machine().write(at, count);
                        if count % 2 == 0 {
                            kept.push((at, count));
                        } else {
                            space.free(own, at, &[], 1).unwrap();
                        }
                    }
                }
                space.leave();
                heaps.push(heap);
            }
            be(0);
            for heap in heaps.drain(..) {
                // SAFETY: from `thread_start`, and not used any more.
                unsafe { space.thread_exit(heap) };
            }
            // Objects outlive the thread that made them.
            for (at, count) in kept {
                assert_eq!(space.machine().read(at), count);
                space.free(main, at, &[], 0).unwrap();
            }
            space.drain(main);
            space.drain(main);
            used.push(space.blocks_in_use());
        }
        assert!(used[59] <= used[25] + 2, "{used:?}");
        // 160 fronts were in use; those of a few orphans remain.
        assert!(used[12..].iter().all(|&blocks| blocks < 60), "{used:?}");
    }
}
