//! The loop: runs the guest and serves what it stops for, until the program ends.

use super::thread::Thread;
use super::vcpu::Exit;
use crate::process::Outcome;
use crate::report::{Report, SystemCall};
use dangless_core::abi::exit::{Upcall, PORT_EXCEPTION, PORT_REQUEST, PORT_SYSCALL};
use dangless_core::abi::layout;

/// How a program ended.
#[derive(Clone, Debug)]
pub enum End {
    /// It exited with this status.
    Exit(i32),
    /// A signal killed it.
    Signal(i32),
    /// A memory error stopped it.
    Error(Box<Report>),
    /// The machine cannot run it any further; the text says why.
    Broken(String),
}

impl Thread {
    /// Runs the program to its end; a child process ends with it.
    pub fn run(&mut self) -> End {
        loop {
            let served = match self.enter() {
                Exit::Port(PORT_SYSCALL) => self.serve_syscall(),
                Exit::Port(PORT_REQUEST) => self.serve_request(),
                Exit::Port(port) if (PORT_EXCEPTION..PORT_EXCEPTION + 32).contains(&port) => {
                    self.serve_exception(port - PORT_EXCEPTION)
                }
                Exit::Interrupted => self.drain_queue(),
                Exit::BadMemory => Err(End::Signal(libc::SIGBUS)),
                Exit::Port(_) | Exit::Refused => Err(End::Signal(libc::SIGSEGV)),
                Exit::Broken(why) => Err(End::Broken(why)),
            };
            if let Err(end) = served {
                if self.is_child {
                    self.leave(end);
                }
                return end;
            }
        }
    }

    /// Finishes queued revocations, unless the runtime itself was interrupted: then the next kick
    /// will.
    fn drain_queue(&mut self) -> Result<(), End> {
        let at = self.processor.vcpu.registers().rip;
        let waiting = self
            .processor
            .area
            .data()
            .is_some_and(|area| area.pending != 0);
        if !self.is_protected() || !waiting {
            return Ok(());
        }
        if (layout::RUNTIME_START..layout::RUNTIME_END).contains(&at) {
            self.program.note_missed();
            return Ok(());
        }
        self.upcall(Upcall::Drain, [0; 3]).map(|_| ())
    }

    fn serve_syscall(&mut self) -> Result<(), End> {
        self.processor
            .lower_ring(self.program.machine.ring)
            .map_err(|error| End::Broken(error.to_string()))?;
        let registers = self.processor.vcpu.registers();
        // The instruction is finished first, so that upcalls may run in the middle of the call.
        self.processor.vcpu.return_from_syscall(registers.rax);
        let arguments = [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ];
        let flushed = self.go_outside();
        let outcome = self.dispatch(registers.rax, arguments);
        self.come_back(flushed)?;
        if let Some(end) = self.take_broken() {
            return Err(end);
        }
        match outcome {
            Outcome::Value(value) => self.processor.vcpu.set_rax(value as u64),
            Outcome::Exit(status) => return Err(End::Exit(status)),
            Outcome::Killed(signal) => return Err(End::Signal(signal)),
            Outcome::Revoked {
                call,
                argument,
                name,
                address,
                writes,
            } => {
                let system_call = SystemCall {
                    name: call.to_owned(),
                    argument: u32::try_from(argument).unwrap_or(0),
                    argument_name: name.to_owned(),
                };
                let value = self.revoked_argument(system_call, address, writes)?;
                self.processor.vcpu.set_rax(value as u64);
            }
        }
        Ok(())
    }
}
