//! The heap on a simulated machine, against an oracle.

mod cases;
mod faults;
mod leases;
mod lent;
mod machine;
mod model;
mod processors;
mod program;
mod random;
mod reclaim;
mod stopping;
mod wild;
