//! Dangless-VMM: runs unmodified Linux programs in a tiny virtual machine and makes every
//! use-after-free, double free and invalid free a clear error.
//!
//! The way in is [`Sandbox`]. The rooms, outermost first:
//!
//! | room | holds |
//! | --- | --- |
//! | [`sandbox`] | the builder, and what a run leaves behind |
//! | [`loader`] | ELF files, the initial stack, replacing the malloc family |
//! | [`machine`] | KVM, the virtual processor, the loop that serves the guest |
//! | [`memory`] | guest-physical memory, the program's address space |
//! | [`process`], [`syscalls`] | the Linux process, and its system calls |
//! | [`seccomp`] | what system calls the program has given up |
//! | [`exec`] | other programs in this one's place |
//! | [`observe`] | `--strace`, `--stats`, the log |
//! | [`report`], [`symbols`], [`unwind`] | memory errors, in words |
//! | [`descriptor`] | keeping the VMM's descriptors out of the program's way |
//! | [`doctor`] | what the host offers |

pub mod descriptor;
pub mod doctor;
pub mod exec;
pub mod loader;
pub mod machine;
pub mod memory;
pub mod observe;
pub mod process;
pub mod report;
pub mod runtime;
pub mod sandbox;
pub mod seccomp;
pub mod signals;
pub mod standard;
pub mod symbols;
pub mod syscalls;
pub mod unwind;

pub use machine::boot::RingChoice;
pub use observe::Watch;
pub use report::Report;
pub use sandbox::{Aliasing, Error, Outcome, Profile, Reclaim, Revoke, Sandbox, Status, Stdio};
