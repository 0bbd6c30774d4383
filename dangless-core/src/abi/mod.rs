//! What the guest runtime and the VMM agree on.
//!
//! Both sides compile this module; a change here changes both. All records are `repr(C)` plain
//! data. The VMM treats every value it reads from them as written by a hostile guest.

pub mod area;
pub mod config;
pub mod error;
pub mod exit;
pub mod layout;
