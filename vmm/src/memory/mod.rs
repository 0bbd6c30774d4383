//! Guest memory.
//!
//! | room | holds |
//! | --- | --- |
//! | [`physical`] | guest-physical memory: the reservation, memory slots, 2 MiB blocks |
//! | [`tables`] | page tables in it, as `dangless_core::paging` wants them |
//! | [`vma`] | what is mapped where in the program's address space |
//! | [`space`] | the address space: `mmap` and its family, faults |
//! | [`account`] | how much of it is in use, and mappings that grow |
//! | `inherit` | what a forked child does not get of it |
//! | `shm` | System V shared memory in it |
//! | [`touched`] | which of it was ever touched |
//! | [`translate`] | from the program's addresses to host memory |
//! | [`user`] | the seam through which system calls and reports read the program's memory |

pub mod account;
mod inherit;
pub mod physical;
mod shm;
pub mod space;
pub mod tables;
mod touched;
mod translate;
pub mod user;
pub mod vma;
