//! The oracle: what the program may expect of the heap, checked after every step.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;

use dangless_core::abi::config::Config;
use dangless_core::abi::error::{kind, ErrorRecord};
use dangless_core::address::{GuestVirtual, PAGE_SIZE};
use dangless_core::heap::{FreeError, Heap, Layout, OutOfMemory, ReallocateError, Space};
use dangless_core::paging::Flusher;

use crate::machine::{Kind, Simulation, ALIAS};

/// Objects above this size are looked at on some of their pages only.
const SAMPLED: u64 = 16 * PAGE_SIZE;

#[derive(Clone, Debug)]
pub struct Object {
    pub at: GuestVirtual,
    pub size: u64,
    /// What its words are derived from.
    seed: u64,
    thread: u64,
    free_thread: u64,
    /// What it was reallocated from, in the end.
    origin: u64,
    /// Physical pieces: start and length.
    pieces: Vec<(u64, u64)>,
}

impl Object {
    /// Offsets at which words are written and read.
    fn words(&self) -> Vec<u64> {
        let whole = self.size / 8 * 8;
        if self.size <= SAMPLED {
            // Every word of small objects, the ends of each page of others.
            let step = if self.size <= 512 { 8 } else { 248 };
            return (0..whole).step_by(step).collect();
        }
        (0..whole)
            .step_by((self.size / 16 / 8 * 8) as usize)
            .chain([whole - 8])
            .collect()
    }

    /// Addresses on each page, or on some.
    fn pages(&self) -> Vec<GuestVirtual> {
        let last = self.at.add(self.size.max(1) - 1);
        let step = if self.size <= SAMPLED {
            PAGE_SIZE
        } else {
            self.size / 16 / PAGE_SIZE * PAGE_SIZE
        };
        let first = self.at.align_down(PAGE_SIZE).0;
        let mut pages: Vec<_> = (first..=last.0)
            .step_by(step as usize)
            .chain([last.align_down(PAGE_SIZE).0])
            .map(|at| GuestVirtual(at).max(self.at))
            .collect();
        pages.dedup();
        pages
    }

    fn value(&self, offset: u64) -> u64 {
        (self.seed ^ offset).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn frames(&self) -> Vec<u64> {
        (0..self.seed % 12)
            .map(|depth| self.seed % 7 * 100 + depth)
            .collect()
    }
}

/// A heap and all that is known about it.
pub struct Model {
    pub space: Space<Simulation>,
    pub heap: Heap,
    pub live: Vec<Object>,
    pub dead: Vec<Object>,
    /// Pages that some object ever had.
    pages: HashSet<u64>,
    /// Physical pieces of live objects: length and origin, by start.
    taken: BTreeMap<u64, (u64, u64)>,
    detect: bool,
    zero_on_free: bool,
    immediate: bool,
    count: u64,
    /// Calls of the heap.
    pub operations: u64,
    /// Objects that were freed quickly.
    pub quick: u64,
}

impl Model {
    pub fn new(kind: Kind, profile: u64, budget: u64) -> Self {
        Self::configured(kind, &Simulation::config(profile, budget))
    }

    pub fn configured(kind: Kind, config: &Config) -> Self {
        let simulation = Simulation::new(kind);
        let space = Space::new(simulation, config).unwrap();
        Self {
            space,
            heap: Heap::new(),
            live: Vec::new(),
            dead: Vec::new(),
            pages: HashSet::new(),
            taken: BTreeMap::new(),
            detect: config.profile == 1,
            zero_on_free: config.zero_on_free == 1,
            immediate: config.revoke_budget >= 1000,
            count: 0,
            operations: 0,
            quick: 0,
        }
    }

    pub fn machine(&self) -> &Simulation {
        self.space.machine()
    }

    /// Origin of the live object that has any of these bytes.
    fn owner(&self, start: u64, length: u64) -> Option<u64> {
        let (at, (bytes, origin)) = self.taken.range(..start + length).next_back()?;
        (at + bytes > start).then_some(*origin)
    }

    pub fn allocate(&mut self, size: u64, align: u64, zeroed: bool) -> Result<usize, OutOfMemory> {
        self.count += 1;
        self.operations += 1;
        let mut object = Object {
            at: GuestVirtual(0),
            size,
            seed: self.count,
            thread: self.count % 3,
            free_thread: 0,
            origin: self.count,
            pieces: Vec::new(),
        };
        let layout = Layout {
            size,
            align,
            zeroed,
        };
        let quick = (align <= 16 && !zeroed)
            .then(|| {
                self.space
                    .allocate_quickly(&mut self.heap, size, object.thread)
            })
            .flatten();
        object.at = match quick {
            Some(at) => at,
            None => self
                .space
                .allocate(&mut self.heap, layout, &object.frames(), object.thread)?,
        };
        assert!(
            object.at.is_aligned(align.next_power_of_two().max(16)),
            "{object:?}"
        );
        if zeroed || self.zero_on_free {
            for offset in object.words() {
                assert_eq!(
                    self.machine().read(object.at.add(offset)),
                    0,
                    "{object:?} at {offset}"
                );
            }
        }
        Ok(self.adopt(object))
    }

    /// Checks a new object's place, fills it and makes it live.
    fn adopt(&mut self, mut object: Object) -> usize {
        for at in object.pages() {
            assert!(
                self.pages.insert(at.0 / PAGE_SIZE),
                "{object:?}: the page was used before"
            );
            let start = self.machine().access(at).expect("a new object is mapped");
            let end = object
                .at
                .add(object.size.max(1))
                .min(at.align_down(PAGE_SIZE).add(PAGE_SIZE));
            assert!(
                self.owner(start, end.0 - at.0).is_none(),
                "{object:?} overlaps a live object"
            );
            self.taken.insert(start, (end.0 - at.0, object.origin));
            object.pieces.push((start, end.0 - at.0));
        }
        for offset in object.words() {
            self.machine()
                .write(object.at.add(offset), object.value(offset));
        }
        self.live.push(object);
        self.live.len() - 1
    }

    /// The object has what was written to it.
    pub fn check_contents(&self, index: usize) {
        let object = &self.live[index];
        for offset in object.words() {
            let read = self.machine().read(object.at.add(offset));
            assert_eq!(read, object.value(offset), "{object:?} at {offset}");
        }
    }

    pub fn free(&mut self, index: usize) {
        self.operations += 1;
        self.check_contents(index);
        let mut object = self.live.swap_remove(index);
        object.free_thread = self.count % 5;
        self.release_pieces(&object);
        let frames = object.frames();
        if self
            .space
            .free_quickly(&mut self.heap, object.at, object.free_thread)
        {
            self.quick += 1;
        } else {
            let freed = self
                .space
                .free(&mut self.heap, object.at, &frames, object.free_thread);
            assert_eq!(freed, Ok(()), "{object:?}");
        }
        self.bury(object);
    }

    fn release_pieces(&mut self, object: &Object) {
        for (start, _) in &object.pieces {
            self.taken.remove(start);
        }
    }

    fn bury(&mut self, object: Object) {
        if self.immediate {
            for at in object.pages() {
                assert_eq!(
                    self.machine().access(at),
                    None,
                    "{object:?} is reachable after free"
                );
            }
        }
        self.dead.push(object);
    }

    pub fn reallocate(&mut self, index: usize, size: u64) -> Result<(), ReallocateError> {
        self.check_contents(index);
        let mut old = self.live.swap_remove(index);
        self.count += 1;
        self.operations += 1;
        old.free_thread = self.count % 5;
        let mut new = Object {
            size,
            seed: self.count,
            thread: old.free_thread,
            ..old.clone()
        };
        new.pieces.clear();
        let moved =
            self.space
                .reallocate(&mut self.heap, old.at, size, &new.frames(), old.free_thread);
        match moved {
            Ok(at) => new.at = at,
            Err(error) => {
                self.live.push(old);
                return Err(error);
            }
        }
        let stays = !self.detect && new.at == old.at;
        assert!(stays || new.at != old.at);
        for offset in old.words().into_iter().filter(|offset| offset + 8 <= size) {
            assert_eq!(
                self.machine().read(new.at.add(offset)),
                old.value(offset),
                "{old:?} moved"
            );
        }
        self.release_pieces(&old);
        if stays {
            for at in old.pages() {
                self.pages.remove(&(at.0 / PAGE_SIZE));
            }
            new.seed = old.seed;
            new.thread = old.thread;
            self.adopt(new);
            return Ok(());
        }
        // The stack of the free is the one of the call.
        old.seed = new.seed;
        old.thread = u64::MAX;
        self.bury(old);
        self.adopt(new);
        Ok(())
    }

    /// Frees what must not be freed.
    pub fn free_wrongly(&mut self, at: GuestVirtual, expected: FreeError) {
        self.operations += 3;
        assert!(
            !self.space.free_quickly(&mut self.heap, at, 0),
            "free of {at}"
        );
        let freed = self.space.free(&mut self.heap, at, &[], 0);
        assert_eq!(freed, Err(expected), "free of {at}");
        assert_eq!(self.space.usable_size(at), Err(expected));
        let moved = self.space.reallocate(&mut self.heap, at, 8, &[], 0);
        assert_eq!(moved, Err(ReallocateError::Free(expected)));
    }

    pub fn drain(&mut self) {
        self.space.drain(&mut self.heap);
        for object in &self.dead {
            self.check_dead(object, true);
        }
    }

    /// A dangling pointer reaches no live object, and nothing at all once it is revoked.
    pub fn check_dead(&self, object: &Object, revoked: bool) {
        for at in object.pages() {
            let Some(reached) = self.machine().access(at) else {
                continue;
            };
            assert!(!revoked, "{object:?} is reachable");
            // What was moved with its memory may still be reached as it was: it is the same.
            let owner = self.owner(reached, 1);
            assert!(
                owner.is_none_or(|origin| origin == object.origin),
                "{object:?} reaches a live object"
            );
        }
    }

    pub fn check_description(&self, object: &Object, offset: u64, live: bool) {
        let mut record = ErrorRecord::default();
        let at = object.at.add(offset);
        assert!(
            self.space.describe(at, &mut record),
            "{object:?} is not known"
        );
        assert_eq!(record.kind, if live { kind::LIVE } else { kind::FREED });
        assert_eq!((record.address, record.object), (at.0, object.at.0));
        if !self.detect {
            assert!(record.size >= object.size);
            return;
        }
        assert_eq!(record.size, object.size, "{object:?}");
        let frames = object.frames();
        let kept = &frames[..frames.len().min(8)];
        if object.thread != u64::MAX {
            assert_eq!(record.alloc_thread, object.thread);
            assert_eq!(&record.alloc.address[..record.alloc.length as usize], kept);
        }
        if !live {
            assert_eq!(record.free_thread, object.free_thread);
            assert_eq!(&record.free.address[..record.free.length as usize], kept);
        }
        assert_eq!(
            self.space.usable_size(object.at).ok(),
            live.then_some(object.size)
        );
    }

    /// Everything about everything.
    pub fn check_all(&self) {
        for (index, object) in self.live.iter().enumerate() {
            self.check_contents(index);
            self.check_description(object, object.size / 2, true);
        }
        for object in &self.dead {
            self.check_dead(object, self.immediate);
            self.check_description(object, object.size / 2, false);
        }
    }

    /// Frees all, drains, and sees nothing left.
    pub fn finish(mut self) {
        while !self.live.is_empty() {
            self.free(self.live.len() / 2);
        }
        self.drain();
        self.check_all();
        if self.zero_on_free {
            let cleared = self.machine().cleared.load(Ordering::Relaxed);
            assert_eq!(cleared, 0, "what was zeroed is cleared again");
        }
        self.machine().flush_all();
        for object in &self.dead {
            self.check_dead(object, true);
        }
    }

    /// Addresses that were never an object's.
    pub fn never() -> [GuestVirtual; 4] {
        [
            GuestVirtual(0),
            GuestVirtual(ALIAS - 16),
            GuestVirtual(u64::MAX - 15),
            GuestVirtual(ALIAS + (1 << 37)),
        ]
    }
}
