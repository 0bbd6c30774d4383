//! The harness that runs guest programs under `dangless-vmm` and judges what they did.
//!
//! A *guest* is a program built once and kept under `build/guests/`. A *case* runs one or more
//! guests, first natively and then under the VMM, and compares; a bug case checks the report
//! instead. Everything a case did stays on disk under `build/test-logs/`.
//!
//! | module | holds |
//! | --- | --- |
//! | [`settings`] | what the environment asks for: paths, speed, ring, verbosity |
//! | [`store`] | the built guests, by content |
//! | [`compile`] | one source file to one program |
//! | [`source`] | Debian source packages |
//! | [`recipe`] | third-party programs from their sources |
//! | [`execution`] | one run of one program, within a time limit |
//! | [`header`] | the comment lines on top of a source that say what to expect |
//! | [`report`] | a memory-error report, read back |
//! | [`scratch`] | the folder a case runs in, and the comparison of two of them |
//! | [`comparison`] | the same steps natively and under the VMM |
//! | [`bugs`], [`conformance`], [`programs`], [`posix`] | the sets of cases |
//! | [`workload`] | large input files |
//! | [`console`] | how failures are shown |
//! | [`suite`] | a test binary's `main` |

pub mod bugs;
pub mod comparison;
pub mod compile;
pub mod conformance;
pub mod console;
pub mod execution;
pub mod header;
pub mod posix;
pub mod programs;
pub mod recipe;
pub mod report;
pub mod scratch;
pub mod settings;
pub mod source;
pub mod store;
pub mod suite;
pub mod workload;
