//! Windows of a whole chunk behind one entry: objects that die young, and those among them that
//! do not.

use std::sync::mpsc::channel;

use dangless_core::address::GuestVirtual;
use dangless_core::heap::{Heap, Layout, Space};
use dangless_core::paging::{Entry, Level, Mapper, TableMemory};

use crate::machine::{be, Kind, Simulation, ROOT};
use crate::model::Model;

const RING3: Kind = Kind {
    blocks: 96,
    immediate: true,
};

/// Whether the address lies in a gibibyte whose directory is its chunk's.
fn is_shared(machine: &Simulation, at: GuestVirtual) -> bool {
    let slot = Mapper::new(machine, ROOT).find_entry(at, Level::Pointers);
    slot.is_some_and(|slot| machine.load(slot) & Entry::SHARED != 0)
}

/// An object comes and goes; answers whether it was in a lease.
fn come_and_go(model: &mut Model, size: u64) -> bool {
    let index = model.allocate(size, 1, false).unwrap();
    let shared = is_shared(model.machine(), model.live[index].at);
    model.free(index);
    shared
}

#[test]
fn objects_that_die_young_share_directories() {
    for size in [48, 200, 1000] {
        let mut model = Model::new(RING3, 2, 0);
        let blocks = model.machine().free_blocks();
        let mut shared = 0u64;
        for _ in 0..100_000 {
            shared += u64::from(come_and_go(&mut model, size));
            if model.dead.len() == 1000 {
                for object in &model.dead {
                    model.check_dead(object, false);
                }
                model.dead.truncate(500);
            }
        }
        assert!(shared > 10_000, "size {size}: {shared}");
        assert!(model.machine().free_blocks() + 20 > blocks);
        model.finish();
    }
}

#[test]
fn survivors_and_drains_end_a_lease_early() {
    for (every, size) in [(6007, 200), (9001, 48), (3001, 1000)] {
        let mut model = Model::new(RING3, 2, 0);
        let mut shared = 0u64;
        for step in 0..120_000u64 {
            shared += u64::from(come_and_go(&mut model, size));
            if step % every == 0 {
                model.allocate(size, 1, step % 2 == 0).unwrap();
            }
            if model.live.len() > 1 {
                model.free(step as usize % 2);
            }
            if step % 49_999 == 49_998 {
                model.drain();
            }
            if model.dead.len() == 1000 {
                model.check_all();
                model.dead.truncate(500);
            }
        }
        assert!(shared > 1000, "one of {every} stays, size {size}: {shared}");
        model.finish();
    }
}

/// Some objects are freed by another thread, which edits windows that their owner still hands out.
#[test]
fn threads_free_what_others_lease() {
    let simulation = Simulation::new(RING3);
    let space = Space::new(simulation, &Simulation::config(2, 0)).unwrap();
    for index in 0..3 {
        space.thread_start(index).unwrap();
    }
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..3).map(|_| channel::<(GuestVirtual, u64)>()).unzip();
    std::thread::scope(|scope| {
        for (thread, receiver) in receivers.into_iter().enumerate() {
            let (space, next) = (&space, senders[(thread + 1) % 3].clone());
            scope.spawn(move || {
                be(thread);
                let mut heap = Heap::new();
                let free = |heap: &mut Heap, (at, value): (GuestVirtual, u64)| {
                    assert_eq!(space.machine().read(at), value);
                    space.free(heap, at, &[], 0).unwrap();
                };
                let mut shared = 0;
                for step in 0..90_000u64 {
                    let size = [200, 200, 48][(step / 64 % 3) as usize];
                    let layout = Layout {
                        size,
                        align: 1,
                        zeroed: false,
                    };
                    let value = step << 8 | thread as u64;
                    let at = space.allocate(&mut heap, layout, &[], 0).unwrap();
                    space.machine().write(at, value);
                    shared += u64::from(is_shared(space.machine(), at));
                    if step % 9000 == 0 {
                        next.send((at, value)).unwrap();
                    } else {
                        free(&mut heap, (at, value));
                    }
                    if step % 200 == 0 {
                        receiver
                            .try_iter()
                            .for_each(|object| free(&mut heap, object));
                    }
                    if step % 29_989 == 29_988 {
                        space.drain(&mut heap);
                    }
                }
                assert!(shared > 1000, "{shared}");
                drop(next);
                receiver.iter().for_each(|object| free(&mut heap, object));
                space.drain(&mut heap);
            });
        }
        drop(senders);
    });
}
