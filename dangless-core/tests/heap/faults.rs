//! Memory that runs out at every point: nothing breaks, and nothing is lost.

use crate::machine::{Kind, Simulation};
use crate::model::Model;
use dangless_core::abi::config::Config;

/// Sizes of every kind of object: slots, multi-page, extents.
const SIZES: [u64; 9] = [
    24, 100, 700, 4096, 9000, 100_000, 700_000, 1_500_000, 5_000_000,
];

/// A program that goes on whatever fails; answers how many of its calls failed.
fn work(model: &mut Model, steps: u64) -> u64 {
    let mut failed = 0;
    for step in 0..steps {
        let size = SIZES[(step * 7 % 9) as usize];
        failed += u64::from(model.allocate(size, 1, step % 5 == 0).is_err());
        let live = model.live.len();
        if step % 4 == 1 && live > 0 {
            let index = (step * 13) as usize % live;
            let size = SIZES[(step * 5 % 9) as usize];
            failed += u64::from(model.reallocate(index, size).is_err());
        }
        if step % 3 > 0 && live > 0 {
            model.free((step * 11) as usize % live);
        }
        if step % 40 == 0 {
            model.drain();
            model.dead.truncate(60);
        }
    }
    failed
}

/// Frees all, and answers the blocks that are still in use.
fn left(model: &mut Model) -> u64 {
    while let Some(index) = model.live.len().checked_sub(1) {
        model.free(index);
    }
    model.drain();
    model.space.blocks_in_use()
}

/// Page-directory edits are immediate; profile, budget and aliasing.
const SETTINGS: [(bool, u64, u64, u64); 6] = [
    (false, 1, 1000, 0),
    (true, 1, 0, 0),
    (true, 1, 1000, 0),
    (false, 2, 0, 0),
    (false, 1, 1000, 1),
    (true, 2, 0, 1),
];

fn model(kind: Kind, profile: u64, budget: u64, aliasing: u64) -> Model {
    let config = Config {
        aliasing,
        ..Simulation::config(profile, budget)
    };
    Model::configured(kind, &config)
}

#[test]
fn every_grant_may_fail() {
    for (immediate, profile, budget, aliasing) in SETTINGS {
        let kind = Kind {
            blocks: 80,
            immediate,
        };
        let mut failures = 0;
        // Pages of their own leave the records of dead objects.
        let kept = if aliasing == 1 { 8 } else { 1 };
        for granted in 2..20 {
            let mut model = model(kind, profile, budget, aliasing);
            model.machine().limit_blocks(granted);
            failures += work(&mut model, 120);
            model.machine().limit_blocks(u64::MAX);
            // The same again, with all the memory there is: what failed has left nothing behind.
            work(&mut model, 120);
            let first = left(&mut model);
            for _ in 0..2 {
                model.dead.clear();
                work(&mut model, 120);
                let now = left(&mut model);
                assert!(now <= first + kept, "{granted} blocks: {first}, then {now}");
            }
            model.check_all();
            model.finish();
        }
        assert!(failures > 50);
    }
}

/// With the least memory to start with and one block more each time, every kind of record, table
/// and block is the one that there is no room for.
#[test]
fn every_amount_of_memory_will_do() {
    for (immediate, profile, budget, aliasing) in SETTINGS {
        for blocks in 4..30 {
            let mut model = model(Kind { blocks, immediate }, profile, budget, aliasing);
            work(&mut model, 150);
            model.check_all();
            model.finish();
        }
    }
}
