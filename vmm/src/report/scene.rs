//! All that the VMM saw when an error was found: what a report is made from.

use dangless_core::unwind::Caller;
use serde::Serialize;

use super::access::Access;
use super::registers::Registers;

/// A thread of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Thread {
    /// Order of creation, 0 for the main thread; `None` if the thread is not known.
    pub number: Option<u32>,
    /// Linux thread id, as the program sees it.
    pub id: u64,
}

/// A system call that was given a bad address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SystemCall {
    /// Name, such as `write`.
    pub name: String,
    /// Number of the argument, from 1.
    pub argument: u32,
    /// Name of the argument, such as `buf`.
    pub argument_name: String,
}

/// One error as the VMM met it.
#[derive(Clone, Debug)]
pub struct Scene<'a> {
    /// Process id that the report shows.
    pub pid: u32,
    /// Linux ids of the program's threads, in order of creation.
    pub threads: &'a [u64],
    /// Linux id of the thread that made the error.
    pub thread: u64,
    /// Its registers at the error.
    pub registers: Registers,
    /// The access, if there was one: none for errors that the malloc family found.
    pub access: Option<Access>,
    /// The address accessed or freed; `None` if the processor did not tell.
    pub address: Option<u64>,
    /// The system call that was given the address, if one was.
    pub system_call: Option<SystemCall>,
    /// The stack, the faulting instruction first. May be empty where the runtime found the error:
    /// its record holds the stack then.
    pub stack: &'a [Caller],
}

impl Scene<'_> {
    /// The thread with this Linux id.
    #[must_use]
    pub fn thread_of(&self, id: u64) -> Thread {
        let number = self.threads.iter().position(|&thread| thread == id);
        Thread {
            number: number.and_then(|number| u32::try_from(number).ok()),
            id,
        }
    }
}
