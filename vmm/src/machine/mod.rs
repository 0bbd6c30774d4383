//! The virtual machine: KVM, its processors, and the loop that serves a program.
//!
//! | room | holds |
//! | --- | --- |
//! | [`host`] | opening KVM, what it must offer |
//! | [`segments`] | segments, descriptor tables, control registers |
//! | [`vcpu`] | one processor |
//! | [`boot`] | a machine with the runtime in it; ring choice |
//! | [`guest`] | a program in a machine: the process that system calls see |
//! | [`upcall`] | calling the runtime |
//! | [`request`] | serving the runtime |
//! | [`exception`] | page faults and the program's own faults |
//! | [`diagnose`] | from what went wrong to a report |
//! | [`run`] | the loop |
//! | [`tick`] | the bound on queued revocations |
//! | [`trial`] | how the machine behaves on this host |

pub mod boot;
pub mod diagnose;
pub mod exception;
pub mod guest;
pub mod host;
pub mod request;
pub mod run;
pub mod segments;
pub mod tick;
pub mod trial;
pub mod upcall;
pub mod vcpu;
