//! Signals on the host: the host's kernel is the queue of the program's signals.
//!
//! Each thread of the program is a host thread, and its signal mask is the host thread's. For every
//! signal that the program handles, one host handler is installed. It does not run the program's
//! handler: it *records* the signal in the thread's [`slot`], blocks all others until the machine
//! has taken it out, and makes whatever the thread is doing stop: a vCPU leaves the guest, a system
//! call that waits returns. Default actions, stops and deaths are left to the host's kernel.
//!
//! Everything here uses system calls, not the C library, for signals 32 to 34 are the program's own
//! (its C library's), and only [`kick::KICK`] is the VMM's.
//!
//! | room | holds |
//! | --- | --- |
//! | [`slot`] | what a thread's handler has recorded |
//! | [`stub`] | system calls that a recorded signal interrupts without loss |
//! | [`record`] | the host handler, and installing it |
//! | [`mask`] | sets of signals |
//! | [`kick`] | making another thread leave the guest |

pub mod kick;
pub mod mask;
pub mod record;
pub mod slot;
pub mod stub;
