//! Trying the machine out: how `syscall` behaves and what leaving the guest costs here.

use super::boot::Machine;
use super::processor::Processor;
use super::vcpu::Exit;
use crate::memory::space::Space;
use crate::memory::user::UserMemory;
use dangless_core::abi::exit::PORT_SYSCALL;
use dangless_core::abi::layout;
use dangless_core::address::GuestVirtual;
use kvm_bindings::kvm_regs;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Privilege level at which `syscall`'s entry runs.
    pub syscall_level: u8,
    /// Time of one system call that the VMM answers at once: leaving and entering the guest.
    pub round_trip: Duration,
}

/// Where the code of the trial lies.
const CODE: u64 = 0x10_0000;
/// `syscall`, then back to it.
const LOOP: [u8; 4] = [0x0f, 0x05, 0xeb, 0xfc];

impl Machine {
    /// Runs `rounds` empty system calls in the machine's ring; at least one.
    ///
    /// # Errors
    /// What the machine did instead.
    pub fn try_syscalls(&self, processor: &mut Processor, rounds: u32) -> Result<Trial, String> {
        let space = Space::new(
            Arc::clone(&self.physical),
            Arc::clone(&self.tables),
            self.root,
            layout::USER_END,
        );
        let rights = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        space
            .map_anonymous(CODE..CODE + 4096, rights, true)
            .map_err(|e| e.to_string())?;
        space
            .write(GuestVirtual(CODE), &LOOP)
            .map_err(|e| e.to_string())?;
        processor.vcpu.set_registers(&kvm_regs {
            rip: CODE,
            rflags: 2,
            ..kvm_regs::default()
        });
        processor.expect_syscall()?;
        let special = processor.vcpu.special().map_err(|e| e.to_string())?;
        let start = Instant::now();
        for _ in 0..rounds {
            processor.vcpu.return_from_syscall(0);
            processor.lower_ring(self.ring).map_err(|e| e.to_string())?;
            processor.expect_syscall()?;
        }
        Ok(Trial {
            syscall_level: (special.cs.selector & 3) as u8,
            round_trip: start.elapsed() / rounds.max(1),
        })
    }
}

impl Processor {
    fn expect_syscall(&mut self) -> Result<(), String> {
        match self.vcpu.run_through() {
            Exit::Port(PORT_SYSCALL) => Ok(()),
            other => Err(format!("`syscall` led to {other:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::boot::RingChoice;

    #[test]
    fn a_request_to_leave_does_not_end_what_runs_through() {
        let (machine, mut processor) =
            Machine::new(RingChoice::Auto, 64 << 20, None).expect("a machine");
        machine.try_syscalls(&mut processor, 1).expect("a trial");
        let ask = |processor: &mut Processor| {
            let byte = processor.vcpu.immediate_exit();
            // SAFETY: the byte is valid as long as the processor is, and nothing runs it now.
            unsafe { byte.write(1) };
        };
        ask(&mut processor);
        assert_eq!(processor.vcpu.run(), Exit::Interrupted);
        ask(&mut processor);
        processor.vcpu.return_from_syscall(0);
        processor.lower_ring(machine.ring).expect("the ring");
        assert_eq!(processor.vcpu.run_through(), Exit::Port(PORT_SYSCALL));
    }
}
