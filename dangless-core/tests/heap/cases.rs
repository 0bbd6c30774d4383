//! What the heap must do, case by case.

use std::sync::atomic::Ordering;

use crate::machine::{Kind, Simulation};
use crate::model::Model;
use dangless_core::abi::config::Config;
use dangless_core::abi::error::ErrorRecord;
use dangless_core::address::{GuestVirtual, PAGE_SIZE};
use dangless_core::heap::{FreeError, Heap, Layout, OutOfMemory, Space};

const RING0: Kind = Kind {
    blocks: 96,
    immediate: false,
};
const RING3: Kind = Kind {
    blocks: 96,
    immediate: true,
};

/// The machines and policies that matter: kind, profile, budget.
const SETTINGS: [(Kind, u64, u64); 5] = [
    (RING0, 1, 1000),
    (RING3, 1, 0),
    (RING3, 1, 1000),
    (RING0, 2, 0),
    (RING3, 2, 0),
];

#[test]
fn objects_of_all_sizes_are_separate_and_keep_their_contents() {
    for (kind, profile, budget) in SETTINGS {
        let mut model = Model::new(kind, profile, budget);
        for size in (0..200).chain((0..11).flat_map(|shift| {
            let power = 512u64 << shift;
            [power - 1, power, power + 1, power * 3 / 2]
        })) {
            model.allocate(size, 1, size % 2 == 0).unwrap();
            if size % 3 == 0 {
                model.free(model.live.len() / 2);
            }
        }
        model.check_all();
        model.finish();
    }
}

#[test]
fn alignment_is_kept() {
    let mut model = Model::new(RING0, 1, 1000);
    for shift in 0..=30 {
        for size in [1, 40, 5000] {
            model.allocate(size, 1 << shift, false).unwrap();
        }
    }
    assert_eq!(model.allocate(1, (1 << 30) + 1, false), Err(OutOfMemory));
    assert_eq!(model.allocate(1, u64::MAX, false), Err(OutOfMemory));
    model.allocate(10, 48, false).unwrap();
    model.allocate(10, 0, false).unwrap();
    model.finish();
}

#[test]
fn memory_is_used_again_under_new_addresses() {
    for (kind, profile, budget) in SETTINGS {
        let mut model = Model::new(kind, profile, budget);
        for round in 0..8u64 {
            for _ in 0..6000 {
                model.allocate(100 + round, 1, round % 3 == 0).unwrap();
            }
            // Every third stays for a while.
            let mut index = 0;
            while index < model.live.len() {
                model.free(index);
                index += 2;
            }
            for object in model.dead.iter().step_by(97) {
                model.check_dead(object, budget >= 1000);
            }
            // Old dead objects need no more attention.
            model.dead.truncate(20_000);
        }
        assert!(
            model.machine().free_blocks() > 20,
            "{}",
            model.machine().free_blocks()
        );
        model.finish();
    }
}

#[test]
fn wrong_frees_are_recognised() {
    for (kind, profile, budget) in SETTINGS {
        let mut model = Model::new(kind, profile, budget);
        for size in [0, 1, 16, 100, 4096, 5000, 1 << 20, 3 << 20] {
            let object = model.allocate(size, 1, false).unwrap();
            let at = model.live[object].at;
            model.free_wrongly(at.add(1), FreeError::Interior);
            model.free_wrongly(at.add(16), FreeError::Interior);
            if size > 20 {
                model.free_wrongly(at.add(size - 1), FreeError::Interior);
            }
            if size <= 1 << 19 {
                // The next object of the window is not handed out yet.
                let stride = size.max(1).next_multiple_of(PAGE_SIZE);
                model.free_wrongly(at.add(stride), FreeError::Foreign);
                assert!(!model
                    .space
                    .describe(at.add(stride), &mut ErrorRecord::default()));
            }
            model.free(object);
            model.free_wrongly(at, FreeError::Double);
            model.free_wrongly(at.add(1), FreeError::Interior);
            model.check_all();
        }
        for at in Model::never() {
            model.free_wrongly(at, FreeError::Foreign);
            assert!(!model.space.describe(at, &mut ErrorRecord::default()));
        }
        model.finish();
    }
}

#[test]
fn too_large_is_out_of_memory() {
    let mut model = Model::new(RING0, 1, 1000);
    for size in [
        u64::MAX,
        1 << 63,
        i64::MAX as u64,
        1 << 47,
        1 << 40,
        200 << 20,
    ] {
        assert_eq!(
            model.allocate(size, 1, false),
            Err(OutOfMemory),
            "{size:#x}"
        );
    }
    let object = model.allocate(150 << 20, 1, true).unwrap();
    assert_eq!(model.allocate(150 << 20, 1, false), Err(OutOfMemory));
    let error = model.reallocate(object, 200 << 20).unwrap_err();
    assert_eq!(error, OutOfMemory.into());
    model.check_all();
    model.free(object);
    model.allocate(150 << 20, 1, true).unwrap();
    model.finish();
}

#[test]
fn reallocation_moves_contents() {
    for (kind, profile, budget) in SETTINGS {
        let mut model = Model::new(kind, profile, budget);
        model.allocate(0, 1, false).unwrap();
        for size in [1, 8, 100, 99, 5000, 4096, 2 << 20, 9 << 20, 1 << 20, 17, 0] {
            model.reallocate(0, size).unwrap();
        }
        model.check_all();
        model.finish();
    }
}

#[test]
fn large_objects_move_without_a_copy() {
    for (kind, profile, budget) in SETTINGS {
        let mut model = Model::new(kind, profile, budget);
        model.allocate(3 << 20, 1, false).unwrap();
        let copied = |model: &Model| {
            let copied = &model.machine().copied;
            copied.load(std::sync::atomic::Ordering::Relaxed)
        };
        for size in [5 << 20, 5 << 20, 60 << 20, 70 << 20, 20 << 20, 2 << 20] {
            model.reallocate(0, size).unwrap();
            assert_eq!(copied(&model), 0);
        }
        // A stale pointer to any of the old places finds nothing, and is known.
        model.drain();
        model.check_all();
        for dead in model.dead.clone() {
            model.free_wrongly(dead.at, FreeError::Double);
        }
        model.reallocate(0, 100).unwrap();
        assert_eq!(copied(&model), 100);
        model.finish();
    }
}

#[test]
fn an_object_stays_where_its_class_fits_unless_bugs_are_looked_for() {
    let mut model = Model::new(RING0, 2, 1000);
    for (size, new) in [(100, 110), (5000, 8000), (3 << 20, 4 << 20)] {
        model.allocate(size, 1, false).unwrap();
        let at = model.live[0].at;
        model.reallocate(0, new).unwrap();
        assert_eq!(model.live[0].at, at);
        model.reallocate(0, new * 4).unwrap();
        assert_ne!(model.live[0].at, at);
        model.free(0);
    }
    model.finish();
}

#[test]
fn queued_frees_wait_for_the_drain_and_few_flushes_serve_many() {
    let mut model = Model::new(RING3, 1, 0);
    model.machine().pass(1000);
    for _ in 0..2000 {
        model.allocate(64, 1, false).unwrap();
    }
    // The credit goes first.
    while model.live.len() > 1400 {
        model.free(0);
    }
    let flushes = |model: &Model| {
        model
            .machine()
            .flushes
            .load(std::sync::atomic::Ordering::Relaxed)
    };
    let before = flushes(&model);
    for _ in 0..1000 {
        model.free(0);
    }
    assert_eq!(flushes(&model), before);
    let at = model.dead[1500].at;
    model.free_wrongly(at, FreeError::Double);
    model.drain();
    assert!(
        flushes(&model) - before < 20,
        "{} flushes",
        flushes(&model) - before
    );
    model.finish();
}

/// Pairs of malloc and free close windows; the rest of their columns comes again, and nothing that
/// was let go of counts as an object.
#[test]
fn windows_without_live_objects_are_closed_and_not_split() {
    for (budget, every) in [(1000, 1), (0, 100), (0, 7)] {
        for size in [16, 48, 500, 4000, 20_000, 400_000] {
            let mut model = Model::new(RING3, 1, budget);
            // The credit goes first.
            for _ in 0..100 {
                model.allocate(size, 1, false).unwrap();
                model.free(0);
            }
            model.drain();
            let flushes = || {
                let machine = model.machine();
                machine.flushes.load(std::sync::atomic::Ordering::Relaxed)
            };
            let (flushed, blocks) = (flushes(), model.machine().free_blocks());
            for step in 0..1000 {
                let object = model.allocate(size, 1, step % 5 == 0).unwrap();
                let at = model.live[object].at;
                model.free(object);
                if step % every == 0 {
                    model.drain();
                    let next = at.add(size.next_multiple_of(PAGE_SIZE));
                    if size < PAGE_SIZE && !model.dead.iter().any(|dead| dead.at == next) {
                        model.free_wrongly(next, FreeError::Foreign);
                    }
                }
                model.dead.truncate(50);
            }
            let machine = model.machine();
            let now = machine.flushes.load(std::sync::atomic::Ordering::Relaxed);
            assert_eq!(now, flushed, "size {size}, drain every {every}");
            assert!(
                machine.free_blocks() + 20 >= blocks,
                "{}",
                machine.free_blocks()
            );
            model.finish();
        }
    }
}

/// Objects that stay keep their windows while the others' are renewed.
#[test]
fn long_lived_objects_survive_the_renewal_of_their_columns() {
    for budget in [0, 1000] {
        let mut model = Model::new(RING3, 1, budget);
        for step in 0..4000u64 {
            model
                .allocate(40 + step % 3 * 100, 1, step % 4 == 0)
                .unwrap();
            if step % 50 != 0 {
                model.free(model.live.len() - 1);
            }
            if step % 90 == 0 {
                model.drain();
                model.dead.truncate(100);
            }
        }
        model.check_all();
        assert!(model.machine().free_blocks() > 60);
        model.finish();
    }
}

#[test]
fn out_of_memory_at_every_grant_breaks_nothing() {
    for (kind, profile, budget) in SETTINGS {
        for limit in [1, 2, 3, 5, 8] {
            let mut model = Model::new(Kind { blocks: 40, ..kind }, profile, budget);
            model.machine().limit_blocks(limit);
            let mut failures = 0;
            for step in 0..700u64 {
                let size = [24, 100, 700, 4096, 9000, 100_000, 1 << 20, 3 << 20][step as usize % 8];
                failures += u64::from(model.allocate(size, 1, step % 5 == 0).is_err());
                if step % 3 == 0 && !model.live.is_empty() {
                    model.free(step as usize * 7 % model.live.len());
                }
                if step == 600 {
                    model.machine().limit_blocks(u64::MAX);
                }
            }
            assert!(failures > 0);
            model.check_all();
            model.finish();
        }
    }
}

#[test]
fn no_memory_for_the_depot_is_an_error() {
    let simulation = Simulation::new(RING0);
    simulation.limit_blocks(0);
    assert!(Space::new(simulation, &Simulation::config(1, 1000)).is_err());
}

#[test]
fn nothing_is_lost_when_all_is_freed() {
    for (kind, profile, budget) in SETTINGS {
        let mut model = Model::new(kind, profile, budget);
        let mut left = Vec::new();
        for _ in 0..4 {
            for size in [64, 3000, 20_000, 2 << 20] {
                for _ in 0..400 {
                    if model.allocate(size, 1, false).is_err() {
                        break;
                    }
                }
            }
            while let Some(index) = model.live.len().checked_sub(1) {
                model.free(index);
            }
            model.drain();
            left.push(model.space.blocks_in_use());
            model.dead.clear();
        }
        assert!(left[3] <= left[1] + 2, "{left:?}");
    }
}

#[test]
fn addresses_run_out() {
    let simulation = Simulation::new(RING0);
    let mut config = Simulation::config(1, 1000);
    config.alias_end = config.alias_start + (10 << 21);
    config.reclaim = u64::MAX;
    let space = Space::new(simulation, &config).unwrap();
    let mut heap = Heap::new();
    let layout = Layout {
        size: 3 << 20,
        align: 1,
        zeroed: false,
    };
    for _ in 0..5 {
        let at = space.allocate(&mut heap, layout, &[], 0).unwrap();
        space.free(&mut heap, at, &[], 0).unwrap();
    }
    assert_eq!(space.allocate(&mut heap, layout, &[], 0), Err(OutOfMemory));
    let small = Layout { size: 1, ..layout };
    assert_eq!(space.allocate(&mut heap, small, &[], 0), Err(OutOfMemory));
}

/// Threads that free each other's objects; contents are checked before every free.
#[test]
fn threads_share_the_space() {
    use std::sync::mpsc::channel;
    for (kind, profile, budget) in SETTINGS {
        let simulation = Simulation::new(Kind {
            blocks: 160,
            ..kind
        });
        let space = Space::new(simulation, &Simulation::config(profile, budget)).unwrap();
        space.share();
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..4).map(|_| channel::<(GuestVirtual, u64)>()).unzip();
        std::thread::scope(|scope| {
            for (thread, receiver) in receivers.into_iter().enumerate() {
                let (space, senders) = (&space, senders.clone());
                scope.spawn(move || {
                    let mut heap = Heap::new();
                    let free = |heap: &mut Heap, (at, value): (GuestVirtual, u64)| {
                        assert_eq!(space.machine().read(at), value);
                        space.free(heap, at, &[value], thread as u64).unwrap();
                        assert_eq!(space.free(heap, at, &[], 0), Err(FreeError::Double));
                    };
                    for step in 0..6000u64 {
                        let size = [16, 48, 200, 1000, 5000, 70_000][(step % 6) as usize];
                        let layout = Layout {
                            size,
                            align: 1,
                            zeroed: step % 9 == 0,
                        };
                        let value = step << 8 | thread as u64;
                        let at = space.allocate(&mut heap, layout, &[value], 0).unwrap();
                        space.machine().write(at, value);
                        senders[(step % 4) as usize].send((at, value)).unwrap();
                        if step % 500 > 20 {
                            receiver
                                .try_iter()
                                .for_each(|object| free(&mut heap, object));
                        }
                        if step % 100 == 0 {
                            space.drain(&mut heap);
                        }
                    }
                    drop(senders);
                    receiver.iter().for_each(|object| free(&mut heap, object));
                    space.drain(&mut heap);
                });
            }
            drop(senders);
        });
    }
}

#[test]
fn fresh_memory_is_not_cleared_again() {
    for aliasing in [0, 1] {
        let config = Config {
            aliasing,
            ..Simulation::config(1, 1000)
        };
        let mut model = Model::configured(RING0, &config);
        let cleared = |model: &Model| model.machine().cleared.load(Ordering::Relaxed);
        for size in [16, 100, 4096, 20_000, 3 << 20] {
            for _ in 0..20_000_000 / size.max(200_000) {
                model.allocate(size, 1, true).unwrap();
            }
        }
        assert_eq!(cleared(&model), 0);
        while let Some(index) = model.live.len().checked_sub(1) {
            model.free(index);
        }
        model.drain();
        let before = cleared(&model);
        while cleared(&model) == before {
            // Chunks are used up before others come again.
            model.allocate(2000, 1, true).unwrap();
        }
        model.finish();
    }
}

#[test]
fn pairs_are_freed_quickly_until_a_second_thread_starts() {
    for kind in [RING0, RING3] {
        for size in [48, 700, 4096] {
            let mut model = Model::new(kind, 2, 0);
            for _ in 0..6000 {
                let index = model.allocate(size, 1, false).unwrap();
                model.free(index);
            }
            assert!(model.quick > 4500, "{} of {size} bytes", model.quick);
            let quick = model.quick;
            model.space.share();
            for _ in 0..2000 {
                let index = model.allocate(size, 1, false).unwrap();
                model.free(index);
            }
            assert_eq!(model.quick, quick);
            model.finish();
        }
    }
    let mut recorded = Model::new(RING3, 1, 0);
    for _ in 0..1000 {
        let index = recorded.allocate(48, 1, false).unwrap();
        recorded.free(index);
    }
    assert_eq!(recorded.quick, 0, "what is recorded takes longer");
    recorded.finish();
}
