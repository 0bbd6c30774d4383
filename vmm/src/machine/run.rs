//! The loop: runs the guest and serves what it stops for, until the program ends.

use super::guest::Guest;
use super::segments::{self, Ring};
use super::vcpu::Exit;
use crate::process::Outcome;
use crate::report::Report;
use dangless_core::abi::exit::{PORT_EXCEPTION, PORT_REQUEST, PORT_SYSCALL};

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

impl Guest {
    /// Runs the program to its end.
    pub fn run(&mut self) -> End {
        loop {
            let served = match self.machine.vcpu.run() {
                Exit::Port(PORT_SYSCALL) => self.serve_syscall(),
                Exit::Port(PORT_REQUEST) => self.serve_request(),
                Exit::Port(port) if (PORT_EXCEPTION..PORT_EXCEPTION + 32).contains(&port) => {
                    self.serve_exception(port - PORT_EXCEPTION)
                }
                Exit::Interrupted => Ok(()),
                Exit::BadMemory => Err(End::Signal(libc::SIGBUS)),
                Exit::Port(_) | Exit::Refused => Err(End::Signal(libc::SIGSEGV)),
                Exit::Broken(why) => Err(End::Broken(why)),
            };
            if let Err(end) = served {
                return end;
            }
        }
    }

    /// On hosts where `syscall` raises the privilege level of a ring-3 program, lowers it again.
    fn lower_ring(&mut self) -> Result<(), End> {
        if self.machine.ring == Ring::Zero || self.syscall_raises == Some(false) {
            return Ok(());
        }
        let broken = |error: super::host::HostError| End::Broken(error.to_string());
        let mut special = self.machine.vcpu.special().map_err(broken)?;
        let raised = special.cs.selector & 3 == 0;
        self.syscall_raises = Some(raised);
        if raised {
            segments::set_ring(&mut special, Ring::Three);
            self.machine.vcpu.set_special(&special).map_err(broken)?;
        }
        Ok(())
    }

    fn serve_syscall(&mut self) -> Result<(), End> {
        self.lower_ring()?;
        let registers = self.machine.vcpu.registers();
        // The instruction is finished first, so that upcalls may run in the middle of the call.
        self.machine.vcpu.return_from_syscall(registers.rax);
        let arguments = [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ];
        let outcome = self.dispatch(registers.rax, arguments);
        if let Some(end) = self.take_broken() {
            return Err(end);
        }
        match outcome {
            Outcome::Value(value) => self.machine.vcpu.set_rax(value as u64),
            Outcome::Exit(status) => return Err(End::Exit(status)),
            Outcome::Killed(signal) => return Err(End::Signal(signal)),
            Outcome::Revoked {
                call,
                argument,
                name,
                address,
            } => {
                let value = self.revoked_argument(call, argument, name, address)?;
                self.machine.vcpu.set_rax(value as u64);
            }
        }
        Ok(())
    }
}
