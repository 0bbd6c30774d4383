//! From what went wrong in the guest to a report.
//!
//! The runtime describes heap addresses (it keeps the records); the VMM adds registers, walks the
//! stack and names functions and lines. Nothing of the program's file is read before that.

use super::exception::Fault;
use super::modules::Modules;
use super::run::End;
use super::thread::Thread;
use crate::memory::user::Access as Direction;
use crate::report::access::operands;
use crate::report::{Access, AccessKind, Registers, Report, Scene, SystemCall};
use crate::signals::mask;
use crate::symbols::Symbols;
use dangless_core::abi::error::{kind, ErrorRecord, MAX_FRAMES};
use dangless_core::abi::exit::{Upcall, FAILED};
use dangless_core::address::{GuestVirtual, PAGE_SIZE};
use dangless_core::unwind::{Bounds, Caller, Memory, Position, Rule, Walker};
use std::cell::Cell;
use std::time::Duration;

/// How long names and lines are looked for.
const LONGEST_SEARCH: Duration = Duration::from_secs(30);
/// Most frames of a report's own stack.
const DEEPEST: usize = 64;

/// What reports need to know of the program, and those made so far.
pub struct Context {
    pub(super) modules: Modules,
    reports: Vec<Report>,
}

impl Context {
    /// For a program made of `modules`.
    #[must_use]
    pub fn new(modules: Modules) -> Self {
        Self {
            modules,
            reports: Vec::new(),
        }
    }

    /// The reports made so far.
    pub(super) fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }
}

/// The guest's memory as a stack walk reads it.
struct StackReader<'a>(&'a Thread);

impl Memory for StackReader<'_> {
    fn read(&self, at: u64) -> Option<u64> {
        let mut word = [0u8; 8];
        self.0.read_any(at, &mut word).ok()?;
        Some(u64::from_le_bytes(word))
    }
}

impl Thread {
    /// Walks the stack of a malloc-family call whose return address lies at `sp`, without a table;
    /// the number of frames, now in the area, or `FAILED` if a function on it is not described.
    pub(super) fn walk_for_runtime(&mut self, sp: u64, bp: u64, depth: u64) -> u64 {
        let reader = StackReader(self);
        let Some(pc) = reader.read(sp) else {
            return FAILED;
        };
        let context = self.program.context();
        let missed = Cell::new(false);
        let lookup = |address: u64| {
            context.modules.single_rule(address).unwrap_or_else(|| {
                missed.set(true);
                Rule::End
            })
        };
        let start = Position {
            pc,
            sp: sp.wrapping_add(8),
            bp,
            exact: false,
        };
        let bounds = Bounds {
            low: sp,
            high: u64::MAX,
        };
        let depth = usize::try_from(depth)
            .unwrap_or(MAX_FRAMES)
            .clamp(1, MAX_FRAMES);
        let mut frames = [0; MAX_FRAMES];
        frames[0] = pc;
        let rest = frames.get_mut(1..depth).unwrap_or_default();
        let length = 1 + Walker::new(lookup, reader, bounds, start, depth - 1).fill(rest);
        drop(context);
        if missed.get() {
            return FAILED;
        }
        self.processor.area.update(|area| {
            area.walk.length = length as u64;
            area.walk.address = frames;
        });
        length as u64
    }

    /// An access to the alias region faulted: an error if the object was freed.
    pub(super) fn heap_fault(&mut self, fault: &Fault) -> Result<(), End> {
        let record = self.describe(fault.address)?;
        match record.kind {
            kind::FREED => {
                let access = self.access_of(fault);
                let registers = self.registers();
                let sighting = Sighting {
                    access: Some(access),
                    address: Some(fault.address),
                    stack: self.walk(&registers, registers.rip),
                    ..self.sighting(registers)
                };
                Err(End::Error(Box::new(self.report(record, sighting))))
            }
            // The host reported a fault for an entry that has just become present; unless the
            // program tried to run its data.
            kind::LIVE if !fault.is_fetch() => Ok(()),
            found => self.program_fault(fault, libc::SIGSEGV, found == kind::LIVE),
        }
    }

    /// The runtime found an error in a call of the malloc family.
    pub(super) fn report_from_runtime(&mut self) -> Result<(), End> {
        let record = self
            .processor
            .area
            .data()
            .map_or_else(ErrorRecord::default, |area| area.error);
        let mut registers = self.registers();
        if let Some(caller) = record.access.address.first() {
            registers.rip = *caller;
        }
        let sighting = Sighting {
            address: Some(record.address),
            ..self.sighting(registers)
        };
        Err(End::Error(Box::new(self.report(record, sighting))))
    }

    /// A system call was given memory of the heap that cannot be used: an error if it was freed,
    /// else the program's `EFAULT`.
    pub(super) fn revoked_argument(
        &mut self,
        system_call: SystemCall,
        address: GuestVirtual,
        writes: bool,
    ) -> Result<i64, End> {
        if !self.is_protected() {
            return Ok(-i64::from(libc::EFAULT));
        }
        let record = self.describe(address.0)?;
        if record.kind != kind::FREED {
            return Ok(-i64::from(libc::EFAULT));
        }
        let registers = self.registers();
        let kind = if writes {
            AccessKind::Write
        } else {
            AccessKind::Read
        };
        let access = Access { kind, size: None };
        let sighting = Sighting {
            access: Some(access),
            address: Some(address.0),
            system_call: Some(system_call),
            // The instruction before the return address is `syscall`, two bytes long.
            stack: self.walk(&registers, registers.rip.wrapping_sub(2)),
            ..self.sighting(registers)
        };
        Err(End::Error(Box::new(self.report(record, sighting))))
    }

    /// The program's own fault: the signal that Linux would send.
    /// `mapped` says that the address is mapped, without that right.
    pub(super) fn program_fault(
        &mut self,
        fault: &Fault,
        signal: i32,
        mapped: bool,
    ) -> Result<(), End> {
        let (code, address) = self.code_of(fault, signal, mapped);
        // On Linux the program is always user code, whichever ring it runs in here.
        let user = if fault.is_page_fault() { 4 } else { 0 };
        let trap = [fault.code | user, u64::from(fault.vector), fault.address];
        if self.fault_handler(signal, code, address, trap)? {
            return Ok(());
        }
        if self.is_protected() && matches!(signal, libc::SIGSEGV | libc::SIGBUS) {
            let registers = self.registers();
            let sighting = Sighting {
                access: fault.is_page_fault().then(|| self.access_of(fault)),
                address: fault.is_page_fault().then_some(fault.address),
                stack: self.walk(&registers, registers.rip),
                ..self.sighting(registers)
            };
            let report = sighting.report(None, &self.symbols());
            self.program.context().reports.push(report);
        }
        Err(End::Signal(signal))
    }

    fn describe(&mut self, address: u64) -> Result<ErrorRecord, End> {
        self.upcall(Upcall::Describe, [address, 0, 0])?;
        Ok(self
            .processor
            .area
            .data()
            .map_or_else(ErrorRecord::default, |area| area.error))
    }

    fn access_of(&self, fault: &Fault) -> Access {
        let kind = match (fault.is_fetch(), fault.access()) {
            (true, _) => AccessKind::Execute,
            (false, Direction::Write) => AccessKind::Write,
            (false, Direction::Read) => AccessKind::Read,
        };
        let mut code = [0u8; 15];
        let readable = self.code_at(fault.pc, &mut code);
        Access::of_instruction(kind, fault.address, &code[..readable], &self.registers())
    }

    /// The access of the instruction at hand to memory that is mapped and cannot be had.
    pub(super) fn lost_memory(&self) -> Fault {
        let registers = self.registers();
        let lost = |at: u64| {
            let mapped = self.program.space.area_around(at).is_some();
            mapped && self.read_any(at, &mut [0]).is_err()
        };
        let pc = registers.rip;
        let fault = |address, code| Fault {
            vector: 14,
            code,
            address,
            pc,
        };
        let mut code = [0u8; 15];
        let readable = self.code_at(pc, &mut code);
        for (start, bytes, writes) in operands(&code[..readable], &registers) {
            let last = start.saturating_add(bytes - 1);
            let second = last & !(PAGE_SIZE - 1);
            let found = [start, second.max(start)].into_iter().find(|&at| lost(at));
            if let Some(at) = found {
                return fault(at, if writes { 2 } else { 0 });
            }
        }
        // It is the code itself that is lost, or an access that is not known.
        let end = pc.saturating_add(readable as u64);
        let fetch = 0x10;
        if lost(end) {
            fault(end, fetch)
        } else {
            fault(0, 0)
        }
    }

    /// Reads the instruction at `pc`; it may end right before memory that cannot be read.
    fn code_at(&self, pc: u64, code: &mut [u8; 15]) -> usize {
        (1..=code.len())
            .rev()
            .find(|&length| self.read_any(pc, &mut code[..length]).is_ok())
            .unwrap_or(0)
    }

    /// The stack from `pc` on, with the registers of the stopped vCPU.
    fn walk(&mut self, registers: &Registers, pc: u64) -> Vec<Caller> {
        // Tables are built now if they are not there yet.
        let context = self.program.context();
        let start = Position {
            pc,
            sp: registers.rsp,
            bp: registers.rbp,
            exact: true,
        };
        let mut stack = vec![Caller { pc, exact: true }];
        stack.extend(Walker::new(
            |address: u64| context.modules.rule(address),
            StackReader(self),
            Bounds::UNKNOWN,
            start,
            DEEPEST,
        ));
        stack
    }

    fn symbols(&self) -> Symbols {
        self.program.context().modules.symbols().clone()
    }

    fn thread(&self) -> u64 {
        self.processor.area.data().map_or(0, |area| area.thread)
    }

    fn sighting(&self, registers: Registers) -> Sighting {
        Sighting {
            threads: self.program.crew.roster(),
            thread: self.thread(),
            registers,
            access: None,
            address: None,
            system_call: None,
            stack: Vec::new(),
        }
    }

    fn report(&self, record: ErrorRecord, sighting: Sighting) -> Report {
        sighting.report(Some(record), &self.symbols())
    }

    fn registers(&self) -> Registers {
        use crate::process::Process;
        let r = self.processor.vcpu.registers();
        Registers {
            rax: r.rax,
            rbx: r.rbx,
            rcx: r.rcx,
            rdx: r.rdx,
            rdi: r.rdi,
            rsi: r.rsi,
            rbp: r.rbp,
            rsp: r.rsp,
            r8: r.r8,
            r9: r.r9,
            r10: r.r10,
            r11: r.r11,
            r12: r.r12,
            r13: r.r13,
            r14: r.r14,
            r15: r.r15,
            rip: r.rip,
            rflags: r.rflags,
            fs_base: self.fs_base(),
        }
    }
}

/// What the VMM saw of an error.
#[derive(Clone)]
struct Sighting {
    threads: Vec<u64>,
    thread: u64,
    registers: Registers,
    access: Option<Access>,
    address: Option<u64>,
    system_call: Option<SystemCall>,
    stack: Vec<Caller>,
}

impl Sighting {
    /// The report, with names if they can be had in time: debug information is the program's, and
    /// may be made to keep its reader busy for ever.
    fn report(self, record: Option<ErrorRecord>, symbols: &Symbols) -> Report {
        let (send, receive) = std::sync::mpsc::channel();
        let (sighting, named) = (self.clone(), symbols.clone());
        let name = move || {
            // Nobody waits any more if the receiver is gone.
            let _ = send.send(sighting.describe(record.as_ref(), &named));
        };
        let spawned = mask::unsignalled(|| std::thread::Builder::new().spawn(name));
        let report = spawned
            .ok()
            .and_then(|_| receive.recv_timeout(LONGEST_SEARCH).ok());
        report.unwrap_or_else(|| self.describe(record.as_ref(), &Symbols::new()))
    }

    fn describe(&self, record: Option<&ErrorRecord>, symbols: &Symbols) -> Report {
        let threads = &self.threads;
        let scene = Scene {
            pid: std::process::id(),
            threads,
            thread: self.thread,
            registers: self.registers,
            access: self.access,
            address: self.address,
            system_call: self.system_call.clone(),
            stack: &self.stack,
        };
        let resolver = symbols.resolver();
        match record {
            Some(record) => Report::new(record, &scene, &resolver),
            None => Report::segv(&scene, &resolver),
        }
    }
}
