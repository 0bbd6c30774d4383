//! A simulated machine and an oracle for the heap.

pub mod machine;
pub mod model;
