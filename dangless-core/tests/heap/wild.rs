//! Any address given to the heap: the right error, nothing changed, and never a crash.

use dangless_core::abi::config::Config;
use dangless_core::abi::error::ErrorRecord;
use dangless_core::address::{GuestVirtual, LARGE_PAGE_SIZE};
use dangless_core::heap::ReallocateError;

use crate::machine::{Kind, Simulation, ALIAS, WINDOWS};
use crate::model::Model;

/// Addresses for each setting.
const COUNT: u64 = if cfg!(miri) { 500 } else { 60_000 };

fn wild(random: u64, model: &Model) -> GuestVirtual {
    let near = &model.live[(random >> 20) as usize % model.live.len()];
    let dead = &model.dead[(random >> 20) as usize % model.dead.len()];
    let inside = random >> 40;
    GuestVirtual(match random % 6 {
        0 => random.rotate_left(32),
        1 => ALIAS + (random >> 3) % (WINDOWS * LARGE_PAGE_SIZE),
        2 => ALIAS + (random >> 3) % (64 * LARGE_PAGE_SIZE),
        3 => near
            .at
            .0
            .wrapping_add(inside % (2 * near.size + 2))
            .wrapping_sub(near.size / 2),
        4 => dead.at.0.wrapping_add(inside % (dead.size + 1)),
        _ => (ALIAS + WINDOWS * LARGE_PAGE_SIZE)
            .wrapping_add(inside % 8192)
            .wrapping_sub(4096),
    })
}

#[test]
fn any_address_is_refused_unless_it_is_an_objects() {
    for (immediate, profile, aliasing) in [(false, 1, 0), (true, 2, 0), (true, 1, 1)] {
        let kind = Kind {
            blocks: 96,
            immediate,
        };
        let config = Config {
            aliasing,
            ..Simulation::config(profile, 1000)
        };
        let mut model = Model::configured(kind, &config);
        for round in 0..120u64 {
            let size = [1, 40, 700, 5000, 90_000, 3 << 20][round as usize % 6];
            model.allocate(size, 1, false).unwrap();
            if round % 2 == 1 {
                model.free(round as usize * 7 % model.live.len());
            }
        }
        let mut random = 88_172_645_463_325_252u64;
        for _ in 0..COUNT {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = wild(random, &model);
            if model.live.iter().any(|object| object.at == at) {
                continue;
            }
            let mut record = ErrorRecord::default();
            model.space.describe(at, &mut record);
            let error = model.space.usable_size(at).expect_err("no object is there");
            assert!(!model.space.free_quickly(&mut model.heap, at, 0), "{at}");
            let freed = model.space.free(&mut model.heap, at, &[], 0);
            assert_eq!(freed, Err(error), "{at}");
            let size = random >> (random % 64);
            let moved = model.space.reallocate(&mut model.heap, at, size, &[], 0);
            assert_eq!(moved, Err(ReallocateError::Free(error)), "{at}");
        }
        model.check_all();
        model.finish();
    }
}
