//! Freeing from several threads: windows are queued once, and the last free is seen once.

use crate::stack::Stack;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use loom::sync::atomic::AtomicBool;
use loom::sync::Arc;
use loom::thread;

struct Window {
    next: AtomicU32,
    queued: AtomicBool,
    /// Freed and not yet edited.
    freed: AtomicU64,
}

struct Queue {
    stack: Stack,
    windows: [Window; 2],
}

impl Queue {
    fn new() -> Arc<Self> {
        let window = || Window {
            next: AtomicU32::new(0),
            queued: AtomicBool::new(false),
            freed: AtomicU64::new(0),
        };
        Arc::new(Self {
            stack: Stack::new(AtomicU64::new(0)),
            windows: [window(), window()],
        })
    }

    /// As `free` does: the bit first, then the queue.
    fn free(&self, number: usize, bit: u64) {
        let window = &self.windows[number];
        window.freed.fetch_or(bit, Ordering::AcqRel);
        if !window.queued.swap(true, Ordering::AcqRel) {
            self.stack.push(number as u64, &window.next);
        }
    }

    /// As `drain` does; answers the bits found.
    fn drain(&self) -> u64 {
        let mut found = 0;
        let mut next = self.stack.take();
        while let Some(number) = next.checked_sub(1) {
            let window = &self.windows[number as usize];
            next = u64::from(window.next.load(Ordering::Relaxed));
            window.queued.swap(false, Ordering::AcqRel);
            found |= window.freed.swap(0, Ordering::AcqRel) << (8 * number);
        }
        found
    }
}

#[test]
fn nothing_freed_is_forgotten_by_the_queue() {
    loom::model(|| {
        let queue = Queue::new();
        let other = Arc::clone(&queue);
        let second = thread::spawn(move || {
            other.free(0, 1);
            other.free(1, 2);
        });
        queue.free(0, 4);
        let mut found = queue.drain();
        second.join().unwrap();
        found |= queue.drain();
        assert_eq!(found, 5 | 2 << 8);
        assert!(queue.stack.is_empty());
    });
}
