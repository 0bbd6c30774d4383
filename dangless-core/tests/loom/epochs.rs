//! A processor that edits and collects, and another that remembers what was edited.

use crate::clock;
use crate::sync::{fence, AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;

struct Machine {
    clock: AtomicU64,
    words: [AtomicU64; 2],
    /// The entry that the editor takes away: 1 while it is present.
    entry: AtomicU64,
    /// 1 once the memory behind it was handed out again.
    reused: AtomicU64,
}

impl Machine {
    /// Both processors have flushed in the first epoch.
    fn new(second: u64) -> Arc<Self> {
        Arc::new(Self {
            clock: AtomicU64::new(1),
            words: [AtomicU64::new(1), AtomicU64::new(second)],
            entry: AtomicU64::new(1),
            reused: AtomicU64::new(0),
        })
    }

    /// Takes the entry away; answers the stamp.
    fn edit(&self) -> u64 {
        self.entry.store(0, Ordering::Relaxed);
        clock::stamp(&self.clock)
    }

    /// Collects a few times, catching up as every slow entry does.
    fn collect(&self, stamp: u64) {
        for _ in 0..3 {
            let safe = clock::flushed_by_all(&self.clock, self.words.iter());
            if stamp <= safe {
                self.reused.store(1, Ordering::Relaxed);
                return;
            }
            clock::advance(&self.clock, safe);
            clock::catch_up(&self.clock, &self.words[0], || fence(Ordering::SeqCst));
        }
    }

    /// Forgets what the second processor remembers, and looks again.
    fn catch_up(&self, remembers: &mut bool) {
        clock::catch_up(&self.clock, &self.words[1], || {
            fence(Ordering::SeqCst);
            *remembers = self.entry.load(Ordering::Relaxed) == 1;
        });
    }

    /// The second processor uses what it remembers.
    fn access(&self, remembers: bool) {
        // A processor's accesses are ordered as its flushes are.
        if remembers {
            assert_eq!(
                self.reused.load(Ordering::Relaxed),
                0,
                "memory was used again"
            );
        }
    }
}

#[test]
fn memory_is_not_used_again_while_a_processor_remembers() {
    loom::model(|| {
        let machine = Machine::new(1);
        let other = Arc::clone(&machine);
        let second = thread::spawn(move || {
            let mut remembers = true;
            other.access(remembers);
            other.catch_up(&mut remembers);
            other.access(remembers);
        });
        let stamp = machine.edit();
        machine.collect(stamp);
        second.join().unwrap();
    });
}

#[test]
fn a_processor_outside_does_not_hold_memory_and_flushes_when_it_enters() {
    loom::model(|| {
        let machine = Machine::new(0);
        let other = Arc::clone(&machine);
        let second = thread::spawn(move || {
            // What it remembers is from before it left.
            let mut remembers = true;
            other.catch_up(&mut remembers);
            other.access(remembers);
            clock::leave(&other.words[1]);
        });
        let stamp = machine.edit();
        machine.collect(stamp);
        second.join().unwrap();
    });
}

#[test]
fn memory_comes_back_once_all_have_flushed() {
    loom::model(|| {
        let machine = Machine::new(1);
        let other = Arc::clone(&machine);
        let second = thread::spawn(move || other.catch_up(&mut true));
        let stamp = machine.edit();
        machine.collect(stamp);
        second.join().unwrap();
        // Whatever came before: one more flush is enough.
        machine.catch_up(&mut true);
        machine.collect(stamp);
        assert_eq!(machine.reused.load(Ordering::Relaxed), 1);
    });
}
