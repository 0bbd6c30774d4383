//! The simulated machine and the oracle of the heap's tests, for the fuzz target.

#[path = "../../tests/heap/machine.rs"]
pub mod machine;
#[path = "../../tests/heap/model.rs"]
pub mod model;
#[path = "../../tests/heap/program.rs"]
pub mod program;
