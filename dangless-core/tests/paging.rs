//! The mapper against an oracle: after any series of edits every page leads where the oracle says.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use dangless_core::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};
use dangless_core::paging::{Flags, Flush, Flusher, Level, MapError, Mapper, TableMemory};
use proptest::prelude::*;

const ROOT: GuestPhysical = GuestPhysical(0x1000);

/// Tables in a hash map, with a count of those that may still be made.
struct Tables {
    entries: RefCell<HashMap<u64, u64>>,
    tables: RefCell<HashSet<u64>>,
    left: RefCell<u64>,
    loads: RefCell<u64>,
}

impl Tables {
    fn new(left: u64) -> Self {
        Self {
            entries: RefCell::default(),
            tables: RefCell::new(HashSet::from([ROOT.0])),
            left: RefCell::new(left),
            loads: RefCell::new(0),
        }
    }
}

impl TableMemory for Tables {
    fn load(&self, at: GuestPhysical) -> u64 {
        assert!(self.is_table(at.align_down(PAGE_SIZE)), "{at} is no table");
        *self.loads.borrow_mut() += 1;
        self.entries.borrow().get(&at.0).copied().unwrap_or(0)
    }
    fn store(&self, at: GuestPhysical, value: u64) {
        assert!(self.is_table(at.align_down(PAGE_SIZE)), "{at} is no table");
        self.entries.borrow_mut().insert(at.0, value);
    }
    fn allocate_table(&self) -> Option<GuestPhysical> {
        let mut left = self.left.borrow_mut();
        *left = left.checked_sub(1)?;
        let at = ROOT.0 + self.tables.borrow().len() as u64 * PAGE_SIZE;
        self.tables.borrow_mut().insert(at);
        Some(GuestPhysical(at))
    }
    fn is_table(&self, at: GuestPhysical) -> bool {
        self.tables.borrow().contains(&at.0)
    }
}

/// Collects what was flushed.
#[derive(Default)]
struct Seen {
    pages: RefCell<HashSet<u64>>,
    all: RefCell<bool>,
}

impl Flusher for Seen {
    fn flush_page(&self, at: GuestVirtual) {
        self.pages.borrow_mut().insert(at.0 / PAGE_SIZE);
    }
    fn flush_all(&self) {
        *self.all.borrow_mut() = true;
    }
}

impl Seen {
    fn covers(&self, page: u64) -> bool {
        *self.all.borrow() || self.pages.borrow().contains(&page)
    }
}

fn flushed(flush: Flush) -> Seen {
    let seen = Seen::default();
    flush.redeem(&seen);
    seen
}

#[test]
fn large_pages_are_used_where_they_fit() {
    let memory = Tables::new(100);
    let mapper = Mapper::new(&memory, ROOT);
    let start = GuestVirtual(LARGE_PAGE_SIZE - PAGE_SIZE);
    let to = GuestPhysical(3 * LARGE_PAGE_SIZE - PAGE_SIZE);
    mapper
        .map(start, to, LARGE_PAGE_SIZE + 2 * PAGE_SIZE, Flags::DATA)
        .unwrap();
    let at = |va: u64| mapper.translate(GuestVirtual(va)).unwrap();
    assert_eq!(at(start.0 + 5).page_size, PAGE_SIZE);
    assert_eq!(at(LARGE_PAGE_SIZE + 0x1234).page_size, LARGE_PAGE_SIZE);
    assert_eq!(
        at(LARGE_PAGE_SIZE + 0x1234).physical.0,
        3 * LARGE_PAGE_SIZE + 0x1234
    );
    assert_eq!(at(2 * LARGE_PAGE_SIZE).page_size, PAGE_SIZE);
    assert_eq!(at(start.0).flags, Flags::DATA);
    assert_eq!(mapper.translate(GuestVirtual(start.0 - 1)), None);
    assert_eq!(
        mapper.translate(GuestVirtual(2 * LARGE_PAGE_SIZE + PAGE_SIZE)),
        None
    );
}

#[test]
fn an_empty_range_costs_little() {
    let memory = Tables::new(100);
    let mapper = Mapper::new(&memory, ROOT);
    mapper
        .map(
            GuestVirtual(17 << 40),
            GuestPhysical(0),
            PAGE_SIZE,
            Flags::READ,
        )
        .unwrap();
    *memory.loads.borrow_mut() = 0;
    let flush = mapper.unmap(GuestVirtual(16 << 40), 64 << 40).unwrap();
    assert!(flushed(flush).covers((17 << 40) / PAGE_SIZE));
    assert!(
        *memory.loads.borrow() < 2000,
        "{} loads",
        memory.loads.borrow()
    );
    assert_eq!(mapper.translate(GuestVirtual(17 << 40)), None);
}

#[test]
fn bad_ranges_are_refused() {
    let memory = Tables::new(100);
    let mapper = Mapper::new(&memory, ROOT);
    for (start, length) in [
        (1, PAGE_SIZE),
        (0, 1),
        (!0xfff, PAGE_SIZE * 2),
        (1 << 47, PAGE_SIZE),
    ] {
        let start = GuestVirtual(start);
        assert!(matches!(
            mapper.map(start, GuestPhysical(0), length, Flags::DATA),
            Err(MapError::Range { .. })
        ));
        assert!(mapper.unmap(start, length).is_err());
    }
    assert!(mapper
        .map(GuestVirtual(0), GuestPhysical(1), PAGE_SIZE, Flags::DATA)
        .is_err());
    assert!(mapper.translate(GuestVirtual(u64::MAX)).is_none());
}

#[test]
fn a_table_outside_memory_is_not_read() {
    let memory = Tables::new(100);
    let mapper = Mapper::new(&memory, ROOT);
    memory.store(ROOT, 0xdead_b000 | 0x27);
    assert!(mapper.translate(GuestVirtual(0x1000)).is_none());
    let damaged = MapError::Damaged {
        at: GuestVirtual(0x1000),
        table: GuestPhysical(0xdead_b000),
    };
    let mapped = mapper.map(
        GuestVirtual(0x1000),
        GuestPhysical(0),
        PAGE_SIZE,
        Flags::DATA,
    );
    assert_eq!(mapped, Err(damaged));
    assert_eq!(
        mapper.entry_for(GuestVirtual(0x1000), Level::Table),
        Err(damaged)
    );
    assert_eq!(
        mapper.unmap(GuestVirtual(0x1000), PAGE_SIZE).unwrap_err(),
        damaged
    );
}

#[test]
fn mapping_goes_on_after_tables_ran_out() {
    let memory = Tables::new(3);
    let mapper = Mapper::new(&memory, ROOT);
    let start = GuestVirtual(LARGE_PAGE_SIZE - PAGE_SIZE);
    let to = GuestPhysical(0x5000);
    let failed = mapper.map(start, to, 2 * PAGE_SIZE, Flags::DATA);
    assert_eq!(
        failed,
        Err(MapError::OutOfTables {
            at: GuestVirtual(LARGE_PAGE_SIZE)
        })
    );
    *memory.left.borrow_mut() = 1;
    mapper.map(start, to, 2 * PAGE_SIZE, Flags::DATA).unwrap();
    assert!(mapper.translate(GuestVirtual(LARGE_PAGE_SIZE)).is_some());
}

#[derive(Clone, Debug)]
enum Edit {
    Map {
        page: u64,
        to: u64,
        pages: u64,
        write: bool,
    },
    Unmap {
        page: u64,
        pages: u64,
    },
}

fn edit() -> impl Strategy<Value = Edit> {
    let page = prop_oneof![0u64..2048, (0u64..4).prop_map(|block| block * 512)];
    let pages = prop_oneof![1u64..20, 1u64..1200, Just(512), Just(1024)];
    let shift = prop_oneof![Just(0u64), Just(512), Just(7)];
    prop_oneof![
        (page.clone(), shift, pages.clone(), any::<bool>()).prop_map(
            |(page, shift, pages, write)| Edit::Map {
                page,
                to: page + shift,
                pages,
                write
            }
        ),
        (page, pages).prop_map(|(page, pages)| Edit::Unmap { page, pages }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_page_leads_where_the_oracle_says(edits in prop::collection::vec(edit(), 1..12)) {
        let memory = Tables::new(10_000);
        let mapper = Mapper::new(&memory, ROOT);
        let mut oracle: BTreeMap<u64, (u64, bool)> = BTreeMap::new();
        for edit in edits {
            match edit {
                Edit::Map { page, to, pages, write } => {
                    let result = mapper.map(
                        GuestVirtual(page * PAGE_SIZE),
                        GuestPhysical(to * PAGE_SIZE),
                        pages * PAGE_SIZE,
                        Flags { write, execute: false },
                    );
                    let clash = (0..pages).find(|i| {
                        oracle.get(&(page + i)).is_some_and(|old| *old != (to + i, write))
                    });
                    match clash {
                        None => prop_assert_eq!(result, Ok(())),
                        Some(i) => {
                            // A large page is refused where any of its pages clashes.
                            let Err(MapError::Occupied { at }) = result else {
                                return Err(TestCaseError::fail(format!("{result:?}, clash {i}")));
                            };
                            prop_assert_eq!(at.0 / PAGE_SIZE, page + i);
                        }
                    }
                    for i in 0..clash.unwrap_or(pages) {
                        oracle.insert(page + i, (to + i, write));
                    }
                }
                Edit::Unmap { page, pages } => {
                    let flush = mapper.unmap(GuestVirtual(page * PAGE_SIZE), pages * PAGE_SIZE).unwrap();
                    let seen = flushed(flush);
                    for at in page..page + pages {
                        if oracle.remove(&at).is_some() {
                            prop_assert!(seen.covers(at), "page {} was not flushed", at);
                        }
                    }
                }
            }
            for page in 0..3600 {
                let found = mapper.translate(GuestVirtual(page * PAGE_SIZE));
                let found = found.map(|t| (t.physical.0 / PAGE_SIZE, t.flags.write));
                prop_assert_eq!(found, oracle.get(&page).copied(), "page {}", page);
            }
        }
    }
}
