//! Calling the runtime: page-table edits, descriptions of addresses, draining.
//!
//! An upcall borrows the stopped vCPU: registers are saved, the runtime runs on the area's own
//! stack until it says that it is done, and the registers are put back; the runtime itself keeps
//! the vector registers. Requests it makes meanwhile are served. The program does not run in
//! between, so whatever an upcall unmaps is gone before the program can touch it. An exit that KVM
//! has yet to complete is no obstacle: it is given up once the instruction pointer has moved.

use super::crew::Crew;
use super::host::HostError;
use super::run::End;
use super::thread::Thread;
use super::vcpu::Exit;
use crate::runtime;
use dangless_core::abi::area;
use dangless_core::abi::exit::{Upcall, PORT_EXCEPTION, PORT_REQUEST, PORT_UPCALL_DONE};
use kvm_bindings::kvm_regs;

impl Thread {
    /// Runs `what` in the runtime; its answer. The vCPU must be at the program's privilege level
    /// with its registers settled (as they are after an exit has been taken apart).
    pub(super) fn upcall(&mut self, what: Upcall, arguments: [u64; 3]) -> Result<u64, End> {
        // In the middle of a system call the thread counts as resting.
        let rested = !self.member.is_working();
        if rested {
            self.program.crew.work(&self.member);
        }
        let answer = self.call_runtime(what, arguments);
        if rested {
            Crew::rest(&self.member);
        }
        answer
    }

    fn call_runtime(&mut self, what: Upcall, arguments: [u64; 3]) -> Result<u64, End> {
        let saved = self.processor.vcpu.registers();
        self.processor.vcpu.set_registers(&kvm_regs {
            rip: runtime::UPCALL_ENTRY,
            rsp: self.processor.area.base() + area::STACK + area::STACK_SIZE,
            rflags: 2,
            rdi: what as u64,
            rsi: arguments[0],
            rdx: arguments[1],
            rcx: arguments[2],
            ..kvm_regs::default()
        });
        let answer = loop {
            match self.enter() {
                Exit::Port(PORT_UPCALL_DONE) => break self.processor.vcpu.registers().rax,
                Exit::Port(PORT_REQUEST) => self.serve_request()?,
                Exit::Interrupted => {}
                Exit::Port(port) if (PORT_EXCEPTION..PORT_EXCEPTION + 32).contains(&port) => {
                    let fault = self.take_exception(port - PORT_EXCEPTION)?;
                    if !self.back_runtime_fault(&fault)? {
                        return Err(End::Broken(format!(
                            "exception {} at {:#x} (address {:#x}) inside the runtime: the program damaged its data",
                            fault.vector, fault.pc, fault.address
                        )));
                    }
                }
                Exit::Broken(why) => return Err(End::Broken(why)),
                Exit::NoThread => return Err(End::Broken(HostError::KvmThread.to_string())),
                other => {
                    return Err(End::Broken(format!("the runtime stopped with {other:?}")));
                }
            }
        };
        self.processor.vcpu.set_registers(&saved);
        Ok(answer)
    }
}
