//! The virtual machine: KVM, its processors, and the loop that serves a program.
//!
//! | room | holds |
//! | --- | --- |
//! | [`host`] | opening KVM, what it must offer |
//! | [`facts`] | what is known of the host from an earlier start |
//! | [`link`] | the connection to it, which a forked child makes anew |
//! | [`segments`] | segments, descriptor tables, control registers |
//! | [`vcpu`] | one processor |
//! | [`area`] | the per-vCPU area |
//! | [`processor`] | processors with their areas, and the pool of idle ones |
//! | [`boot`] | a machine with the runtime in it; ring choice |
//! | [`program`] | what the threads of a program share |
//! | [`thread`] | one of its threads: the process that system calls see |
//! | [`crew`] | the threads that are alive, and the program's end |
//! | [`birth`], [`farewell`] | a thread's beginning and end |
//! | [`robust`] | robust futexes of a thread that is killed |
//! | [`mapping`], [`limits`] | `mmap` and its family, and what the program's limits leave of it |
//! | [`upcall`] | calling the runtime |
//! | [`request`] | serving the runtime |
//! | [`exception`] | page faults and the program's own faults |
//! | [`diagnose`] | from what went wrong to a report |
//! | [`run`] | the loop |
//! | [`deliver`], [`frame`] | the program's signal handlers |
//! | [`fork`], [`revive`] | child processes |
//! | [`tick`] | the bound on queued revocations |
//! | [`epoch`] | memory that waits until every processor has flushed |
//! | [`roots`], [`halt`] | where the program may hold pointers, and stopping its threads to see |
//! | [`pauses`] | how long they stood still |
//! | [`trial`] | how the machine behaves on this host |

pub mod area;
mod birth;
pub mod boot;
mod crew;
mod deliver;
pub mod diagnose;
mod epoch;
pub mod exception;
pub mod facts;
mod farewell;
pub mod fork;
mod frame;
mod halt;
pub mod host;
mod limits;
pub mod link;
mod mapping;
pub mod modules;
mod pauses;
pub mod processor;
pub mod program;
pub mod request;
mod revive;
mod robust;
mod roots;
pub mod run;
pub mod segments;
mod shm;
pub mod thread;
pub mod tick;
pub mod trial;
pub mod upcall;
pub mod vcpu;
