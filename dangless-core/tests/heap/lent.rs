//! Objects in blocks that another allocator lends, here one that always takes the lowest free
//! address: what it is given back it lends again at once.

use std::collections::BTreeMap;

use dangless_core::abi::config::{aliasing, Config};
use dangless_core::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};
use dangless_core::heap::{FreeError, Heap, Layout, Lent, Machine, OutOfMemory, Space};
use dangless_core::paging::{Entry, Flags, Flusher, TableMemory};

use crate::machine::{Kind, Simulation, ROOT};

/// Where the lender's memory is mapped: large pages from here on, in shuffled order.
const BASE: u64 = 1 << 30;
const LARGE: u64 = 4;

/// The lender: blocks in use, by address.
#[derive(Default)]
struct Lender(BTreeMap<u64, u64>);

impl Lender {
    fn lend(&mut self, bytes: u64) -> Option<u64> {
        let bytes = bytes.max(1).next_multiple_of(16);
        let mut at = BASE + 16;
        for (&start, &length) in &self.0 {
            if at + bytes <= start {
                break;
            }
            at = start + length;
        }
        (at + bytes <= BASE + LARGE * LARGE_PAGE_SIZE).then(|| {
            self.0.insert(at, bytes);
            at
        })
    }
}

/// Maps the lender's memory.
fn map(machine: &Simulation) {
    let (pointers, directory) = (GuestPhysical(0x10_0000), GuestPhysical(0x10_1000));
    machine.store(ROOT, Entry::table(pointers).bits());
    machine.store(pointers.add(8), Entry::table(directory).bits());
    let start = machine.grant(LARGE, false).unwrap();
    for index in 0..LARGE {
        let to = start.add((index ^ 1) * LARGE_PAGE_SIZE);
        let entry = Entry::large(to, Flags::DATA);
        machine.store(directory.add(index * 8), entry.bits());
    }
}

struct Object {
    at: GuestVirtual,
    bytes: u64,
    owner: u64,
    value: u64,
}

fn check(machine: &Simulation, object: &Object) {
    for offset in [0, object.bytes / 2 / 8 * 8, (object.bytes - 8) / 8 * 8] {
        let at = object.at.add(offset);
        assert_eq!(machine.read(at), object.value + offset);
        // It shows the block's own memory.
        let block = GuestVirtual(object.owner + (object.at.0 - object.owner) % PAGE_SIZE + offset);
        assert_eq!(machine.access(at), machine.access(block));
    }
}

fn run(immediate: bool, profile: u64, budget: u64) {
    let config = Config {
        aliasing: aliasing::PROGRAM,
        ..Simulation::config(profile, budget)
    };
    let kind = Kind {
        blocks: 64,
        immediate,
    };
    let space = Space::new(Simulation::new(kind), &config).unwrap();
    map(space.machine());
    let (mut heap, mut lender) = (Heap::new(), Lender::default());
    let mut live: Vec<Object> = Vec::new();
    let mut dead: Vec<GuestVirtual> = Vec::new();
    let mut refused = 0;
    let mut random = 1u64;
    let mut next = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % below
    };
    for value in 1..40_000u64 {
        let given = |lender: &mut Lender| {
            space.give_back(|lent, _| {
                assert!(lender.0.remove(&lent.owner).is_some(), "given back twice");
            });
        };
        if next(2) == 0 {
            let most = if next(20) == 0 { 60_000 } else { 600 };
            let bytes = 8 + next(most);
            let align = [1, 1, 1, 64, 4096][next(5) as usize];
            let extra = u64::saturating_sub(align, 16);
            let Some(owner) = lender.lend(bytes + extra) else {
                refused += 1;
                space.drain(&mut heap);
                given(&mut lender);
                continue;
            };
            let lent = Lent {
                owner,
                start: GuestVirtual(owner.next_multiple_of(align)),
            };
            let layout = Layout {
                size: bytes,
                align,
                zeroed: value % 8 == 0,
            };
            let at = space
                .allocate_in(&mut heap, lent, layout, &[value], 0)
                .unwrap();
            assert!(at.is_aligned(align));
            assert_eq!(space.usable_size(at), Ok(bytes));
            if layout.zeroed {
                assert_eq!(space.machine().read(at), 0);
            }
            let object = Object {
                at,
                bytes,
                owner,
                value,
            };
            for offset in [0, bytes / 2 / 8 * 8, (bytes - 8) / 8 * 8] {
                space.machine().write(at.add(offset), value + offset);
            }
            live.push(object);
        } else if !live.is_empty() {
            let object = live.swap_remove(next(live.len() as u64) as usize);
            check(space.machine(), &object);
            space.free(&mut heap, object.at, &[value], 0).unwrap();
            assert_eq!(
                space.free(&mut heap, object.at, &[], 0),
                Err(FreeError::Double)
            );
            dead.push(object.at);
        }
        if next(7) == 0 {
            given(&mut lender);
        }
        if next(500) == 0 {
            space.drain(&mut heap);
            for at in dead.drain(..) {
                assert_eq!(space.machine().access(at), None, "{at} is reachable");
            }
            live.iter()
                .for_each(|object| check(space.machine(), object));
        }
    }
    assert!(refused < 20_000);
    // Whatever a stale translation may reach, it is not lent to anybody else.
    for object in live.drain(..) {
        space.free(&mut heap, object.at, &[], 0).unwrap();
    }
    space.drain(&mut heap);
    space.give_back(|lent, _| assert!(lender.0.remove(&lent.owner).is_some()));
    assert!(lender.0.is_empty(), "{} blocks are lost", lender.0.len());
}

#[test]
fn lent_blocks_come_back_once_nothing_reaches_them() {
    for (immediate, profile, budget) in [(false, 1, 1000), (true, 1, 500), (true, 2, 0)] {
        run(immediate, profile, budget);
    }
}

#[test]
fn a_block_that_is_not_mapped_is_refused() {
    let config = Config {
        aliasing: aliasing::PROGRAM,
        ..Simulation::config(1, 1000)
    };
    let kind = Kind {
        blocks: 64,
        immediate: false,
    };
    let space = Space::new(Simulation::new(kind), &config).unwrap();
    map(space.machine());
    space.machine().flush_all();
    let mut heap = Heap::new();
    let layout = |size| Layout {
        size,
        align: 1,
        zeroed: false,
    };
    let end = BASE + LARGE * LARGE_PAGE_SIZE;
    for (start, size) in [
        (16, 8),
        (end - 16, 17),
        (end - 5000, u64::MAX),
        (BASE, 1 << 62),
    ] {
        let lent = Lent {
            owner: start,
            start: GuestVirtual(start),
        };
        let placed = space.allocate_in(&mut heap, lent, layout(size), &[], 0);
        assert_eq!(placed, Err(OutOfMemory), "{size} bytes at {start:#x}");
    }
    space.drain(&mut heap);
    space.give_back(|lent, _| panic!("{lent:?} was not used"));
    let lent = Lent {
        owner: end - 16,
        start: GuestVirtual(end - 16),
    };
    assert!(space
        .allocate_in(&mut heap, lent, layout(16), &[], 0)
        .is_ok());
}
