//! The atomics of the modules that loom models include by path, under loom's own `crate::sync`.

pub use core::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};
