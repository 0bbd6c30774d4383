//! Every interleaving of the heap's lock-free parts, by loom. The modules are included by path and
//! get loom's atomics in place of the processor's.

mod sync {
    pub use loom::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};
}

#[path = "../../src/heap/clock.rs"]
mod clock;
#[path = "../../src/heap/stack.rs"]
mod stack;

mod epochs;
mod lists;
