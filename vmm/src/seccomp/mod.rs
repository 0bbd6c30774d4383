//! Seccomp of the program: what system calls it has given up.
//!
//! The host's kernel would confine the VMM's own thread, so the VMM keeps the program's filters and
//! runs them itself, before it serves a call. They say what the host's kernel would say; what a
//! thread has cannot be taken back, and goes to its threads, children and successors.
//!
//! | room | holds |
//! | --- | --- |
//! | [`filter`] | classic BPF: what a filter may be, and running it |
//! | [`action`] | what filters answer |
//! | [`cell`] | what a thread has given up |

pub mod action;
pub mod cell;
pub mod filter;

pub use action::Action;
pub use cell::{Cell, Chain, Mode};
pub use filter::{Data, Filter};
