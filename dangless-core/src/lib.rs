//! The heart of Dangless-VMM: page tables, windowed aliasing, heaps and revocation.
//!
//! Nothing here knows of KVM, makes a system call or holds assembly. The guest runtime runs this
//! code inside the virtual machine, the host VMM uses its layout types and its page-table mapper,
//! and the tests run it over simulated memory with a TLB that remembers stale translations.
//!
//! | room | holds |
//! | --- | --- |
//! | [`address`] | guest-physical and guest-virtual addresses, page sizes |
//! | [`abi`] | what the runtime and the VMM agree on: addresses, exits, shared records |
//! | [`paging`] | page-table entries, the mapper, the flush promise |
//! | [`heap`] | chunks, windows, size classes, thread heaps, revocation |
//! | [`unwind`] | a compact unwind table and the stack walk over it |
#![no_std]

#[cfg(test)]
extern crate std;

pub mod abi;
pub mod address;
pub mod heap;
pub mod paging;
mod sync;
pub mod unwind;
