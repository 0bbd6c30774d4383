//! The report itself.

use dangless_core::abi::error::{kind, ErrorRecord};
use serde::Serialize;

use super::access::Access;
use super::hex;
use super::kind::Kind;
use super::object::HeapObject;
use super::registers::Registers;
use super::scene::{Scene, SystemCall, Thread};
use super::stack;
use crate::symbols::{Frame, Resolver};

/// Stacks of a report, innermost frame first; empty where not recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stacks {
    /// Where the error was found.
    pub access: Vec<Frame>,
    /// Where the object was freed.
    pub free: Vec<Frame>,
    /// Where the object was allocated.
    pub alloc: Vec<Frame>,
}

/// One memory error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What went wrong.
    pub kind: Kind,
    /// Process that it went wrong in.
    pub pid: u32,
    /// Thread that it went wrong in.
    pub thread: Thread,
    /// The address accessed or freed, if known.
    #[serde(serialize_with = "hex::optional")]
    pub address: Option<u64>,
    /// The access, if there was one.
    pub access: Option<Access>,
    /// The system call that was given the address, if one was.
    pub system_call: Option<SystemCall>,
    /// Program counter.
    #[serde(serialize_with = "hex::number")]
    pub pc: u64,
    /// Frame pointer.
    #[serde(serialize_with = "hex::number")]
    pub bp: u64,
    /// Stack pointer.
    #[serde(serialize_with = "hex::number")]
    pub sp: u64,
    /// General registers.
    pub registers: Registers,
    /// The object that the address belongs to, if any.
    pub object: Option<HeapObject>,
    /// Stacks.
    pub stacks: Stacks,
}

impl Report {
    /// The report of an error that `record` describes and the VMM saw as `scene`.
    ///
    /// The record is taken as a hostile guest may have written it.
    #[must_use]
    pub fn new(record: &ErrorRecord, scene: &Scene<'_>, symbols: &Resolver<'_>) -> Self {
        let kind = Kind::of(record.kind, record.function);
        let address = scene.address.or(match kind {
            Kind::Segv => None,
            _ => Some(record.address),
        });
        let object = address.and_then(|address| HeapObject::of(record, address, scene));
        let freed = matches!(record.kind, kind::FREED | kind::DOUBLE_FREE);
        let access = if scene.stack.is_empty() {
            stack::of_record(&record.access, symbols)
        } else {
            stack::of_walk(scene.stack, symbols)
        };
        let recorded = |wanted, frames| {
            if wanted {
                stack::of_record(frames, symbols)
            } else {
                Vec::new()
            }
        };
        let stacks = Stacks {
            access,
            free: recorded(object.is_some() && freed, &record.free),
            alloc: recorded(object.is_some(), &record.alloc),
        };
        Self::assemble(kind, address, object, stacks, scene)
    }

    /// The report of an access to memory that is not there and has nothing to do with the heap.
    #[must_use]
    pub fn segv(scene: &Scene<'_>, symbols: &Resolver<'_>) -> Self {
        let stacks = Stacks {
            access: stack::of_walk(scene.stack, symbols),
            ..Stacks::default()
        };
        Self::assemble(Kind::Segv, scene.address, None, stacks, scene)
    }

    fn assemble(
        kind: Kind,
        address: Option<u64>,
        object: Option<HeapObject>,
        stacks: Stacks,
        scene: &Scene<'_>,
    ) -> Self {
        Self {
            kind,
            pid: scene.pid,
            thread: scene.thread_of(scene.thread),
            address,
            access: scene.access,
            system_call: scene.system_call.clone(),
            pc: scene.registers.rip,
            bp: scene.registers.rbp,
            sp: scene.registers.rsp,
            registers: scene.registers,
            object,
            stacks,
        }
    }

    /// The frame that the report is about: the innermost with a source line, else the innermost.
    #[must_use]
    pub fn culprit(&self) -> Option<&Frame> {
        let stack = &self.stacks.access;
        stack
            .iter()
            .find(|frame| frame.file.is_some() && frame.line.is_some())
            .or_else(|| stack.first())
    }
}
