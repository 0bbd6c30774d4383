//! Exceptions: page faults that are served, and the program's own faults.
//!
//! Every exception entry of the runtime leaves at once with `out`; the processor's frame lies on
//! the area's exception stack. [`Thread::take_exception`] undoes the entry: afterwards the vCPU is
//! as it was at the faulting instruction, at the program's privilege level, so that serving it
//! means just running on.

use super::run::End;
use super::segments::{self, Ring};
use super::thread::Thread;
use crate::memory::space::Resolution;
use crate::memory::user::Access;
use dangless_core::abi::{area, layout};
use kvm_bindings::kvm_regs;

/// An exception, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// 0 to 31.
    pub vector: u8,
    /// Error code, 0 for vectors that have none.
    pub code: u64,
    /// Faulting address (page faults).
    pub address: u64,
    /// Faulting instruction.
    pub pc: u64,
}

impl Fault {
    pub(super) fn is_page_fault(&self) -> bool {
        self.vector == 14
    }

    pub(super) fn access(&self) -> Access {
        if self.code & 2 != 0 {
            Access::Write
        } else {
            Access::Read
        }
    }

    pub(super) fn is_fetch(&self) -> bool {
        self.code & 0x10 != 0
    }

    fn is_present(&self) -> bool {
        self.code & 1 != 0
    }
}

/// Vectors whose frame starts with an error code.
const WITH_CODE: u32 = 1 << 8
    | 1 << 10
    | 1 << 11
    | 1 << 12
    | 1 << 13
    | 1 << 14
    | 1 << 17
    | 1 << 21
    | 1 << 29
    | 1 << 30;

/// Vector of `int3`.
const BREAKPOINT: u8 = 3;

/// How often one instruction may fault at one address before it counts as stuck.
const MOST_REPEATS: u32 = 64;

impl Thread {
    /// Takes apart the exception that the vCPU has just left with.
    pub(super) fn take_exception(&mut self, vector: u8) -> Result<Fault, End> {
        let vcpu = &mut self.processor.vcpu;
        let registers = vcpu.registers();
        let mut special = vcpu.special().map_err(|e| End::Broken(e.to_string()))?;
        let mut words = [0u64; 6];
        let has_code = WITH_CODE >> vector & 1 == 1;
        let frame = if has_code {
            &mut words[..]
        } else {
            &mut words[1..]
        };
        let low = self.processor.area.base() + area::FAULT_STACK;
        let on_stack = registers.rsp.checked_sub(low).filter(|offset| {
            registers.rsp % 8 == 0 && offset + 8 * frame.len() as u64 <= area::FAULT_STACK_SIZE
        });
        let Some(offset) = on_stack else {
            return Err(End::Broken(format!(
                "exception {vector} with its frame at {:#x}: the program damaged the exception tables",
                registers.rsp
            )));
        };
        self.processor.area.read(area::FAULT_STACK + offset, frame);
        let [code, pc, _, flags, sp, _] = words;
        if self.program.machine.ring == Ring::Three {
            segments::set_ring(&mut special, Ring::Three);
            self.processor
                .vcpu
                .set_special(&special)
                .map_err(|e| End::Broken(e.to_string()))?;
        }
        self.processor.vcpu.set_registers(&kvm_regs {
            rip: pc,
            rsp: sp,
            rflags: flags,
            ..registers
        });
        Ok(Fault {
            vector,
            code,
            address: if vector == 14 { special.cr2 } else { 0 },
            pc,
        })
    }

    /// Backs a table of the runtime that is filled on demand; whether the fault was one of those.
    pub(super) fn back_runtime_fault(&mut self, fault: &Fault) -> Result<bool, End> {
        let table = layout::WINDOW_TABLE..layout::WINDOW_TABLE + layout::WINDOW_TABLE_SIZE;
        if !fault.is_page_fault() || !table.contains(&fault.address) {
            return Ok(false);
        }
        if fault.is_present() {
            return self.check_progress(fault).map(|()| true);
        }
        self.program
            .machine
            .back_runtime_table(fault.address)
            .map_err(|error| End::Broken(error.to_string()))?;
        Ok(true)
    }

    /// A host may report a fault for an entry that has just become present; but not for ever.
    fn check_progress(&mut self, fault: &Fault) -> Result<(), End> {
        if self.last_fault == (fault.pc, fault.address) {
            self.repeats += 1;
        } else {
            self.last_fault = (fault.pc, fault.address);
            self.repeats = 0;
        }
        if self.repeats > MOST_REPEATS {
            return Err(End::Broken(format!(
                "the page fault at {:#x} (instruction {:#x}) keeps coming back: its page tables are damaged",
                fault.address, fault.pc
            )));
        }
        Ok(())
    }

    /// Serves an exception of the program, or of the runtime working for it.
    pub(super) fn serve_exception(&mut self, vector: u8) -> Result<(), End> {
        let fault = self.take_exception(vector)?;
        if self.back_runtime_fault(&fault)? {
            return Ok(());
        }
        if vector == BREAKPOINT {
            let entry = self.program.islands().breakpoint(fault.pc.wrapping_sub(1));
            if let Some(rip) = entry {
                let registers = self.processor.vcpu.registers();
                self.processor
                    .vcpu
                    .set_registers(&kvm_regs { rip, ..registers });
                return Ok(());
            }
        }
        if !fault.is_page_fault() {
            return self.program_fault(&fault, signal_of(vector), false);
        }
        if layout::is_alias(fault.address) && self.is_protected() {
            self.check_progress(&fault)?;
            return self.heap_fault(&fault);
        }
        let write = fault.access() == Access::Write;
        match self
            .program
            .space
            .fault(fault.address, write, fault.is_fetch())
        {
            Resolution::Mapped => self.check_progress(&fault),
            Resolution::NotMapped if self.grow_down(fault.address) => Ok(()),
            Resolution::NotMapped => self.program_fault(&fault, libc::SIGSEGV, false),
            Resolution::Denied => self.program_fault(&fault, libc::SIGSEGV, true),
            Resolution::OutOfMemory => {
                self.program
                    .observer
                    .note("guest memory is used up; raise --memory");
                Err(End::Signal(libc::SIGKILL))
            }
        }
    }
}

/// The signal that Linux sends for an exception.
fn signal_of(vector: u8) -> i32 {
    match vector {
        0 | 16 | 19 => libc::SIGFPE,
        1 | 3 => libc::SIGTRAP,
        6 => libc::SIGILL,
        11 | 12 | 17 => libc::SIGBUS,
        _ => libc::SIGSEGV,
    }
}
