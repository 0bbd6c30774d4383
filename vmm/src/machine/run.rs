//! The loop: runs the guest and serves what it stops for, until the program ends.

use super::crew::Crew;
use super::host::HostError;
use super::thread::Thread;
use super::vcpu::Exit;
use crate::process::Outcome;
use crate::report::{Report, SystemCall};
use crate::signals::{slot, stub};
use dangless_core::abi::exit::{
    Upcall, PORT_CHECKPOINT, PORT_EXCEPTION, PORT_REQUEST, PORT_SYSCALL,
};
use dangless_core::abi::layout;
use std::sync::Arc;

/// Bytes of the `syscall` instruction.
const SYSCALL_LENGTH: u64 = 2;

/// Opcode of a return.
const RET: u8 = 0xc3;
/// Opcode of a near jump if not equal.
const JNE: [u8; 2] = [0x0f, 0x85];

/// Whether a call has to be made again: after the signal that came before it had any effect, or
/// because a kick of the VMM's own cut it short.
fn is_to_be_repeated(value: i64) -> bool {
    slot::with(|slot| {
        value == -i64::from(stub::RESTART)
            || value == -i64::from(libc::EINTR) && slot.take_kick() && !slot.has_recorded()
    })
}

/// How a program ended.
#[derive(Clone, Debug)]
pub enum End {
    /// It exited with this status.
    Exit(i32),
    /// One thread of it exited with this status; the others go on.
    Thread(i32),
    /// One thread of it died of this signal; the others go on.
    ThreadSignal(i32),
    /// A signal killed it.
    Signal(i32),
    /// A memory error stopped it.
    Error(Box<Report>),
    /// The machine cannot run it any further; the text says why.
    Broken(String),
}

impl Thread {
    /// Runs the program to its end, as its first thread.
    #[must_use]
    pub fn run_program(mut self) -> End {
        let program = Arc::clone(&self.program);
        let end = self.run();
        let own = self.end_own(end);
        self.retire();
        program.crew.wait().unwrap_or(own)
    }

    /// Notes the end of a process's first thread: what the process ends with when all of them have
    /// ended by themselves.
    pub(super) fn end_own(&self, end: End) -> End {
        match end {
            End::Thread(status) => End::Exit(status),
            End::ThreadSignal(signal) => End::Signal(signal),
            end => {
                self.program.crew.end_with(end);
                End::Exit(0)
            }
        }
    }

    /// Runs the thread to its end, or to the program's.
    pub(super) fn run(&mut self) -> End {
        self.program.crew.work(&self.member);
        let end = self.serve();
        self.let_others_go();
        Crew::rest(&self.member);
        self.stopped(end)
    }

    fn serve(&mut self) -> End {
        loop {
            if self.program.crew.is_stopping() {
                return End::Thread(0);
            }
            let served = self.deliver().and_then(|()| self.step());
            if let Err(end) = served {
                return end;
            }
        }
    }

    /// Runs the guest until it stops, and serves what it stopped for.
    fn step(&mut self) -> Result<(), End> {
        match self.enter() {
            Exit::Port(PORT_SYSCALL) => self.serve_syscall(),
            Exit::Port(PORT_REQUEST) => self.serve_request(),
            Exit::Port(PORT_CHECKPOINT) => self.checkpoint(),
            Exit::Port(port) if (PORT_EXCEPTION..PORT_EXCEPTION + 32).contains(&port) => {
                self.serve_exception(port - PORT_EXCEPTION)
            }
            Exit::Interrupted => self.drain_queue(),
            Exit::BadMemory => self.bad_memory(),
            Exit::Port(_) | Exit::Refused => Err(End::Signal(libc::SIGSEGV)),
            Exit::NoThread => Err(End::Broken(HostError::KvmThread.to_string())),
            Exit::Broken(why) => Err(End::Broken(why)),
        }
    }

    /// The host cannot provide the memory: it lies past the end of a mapped file.
    fn bad_memory(&mut self) -> Result<(), End> {
        let fault = self.lost_memory();
        self.program_fault(&fault, libc::SIGBUS, true)
    }

    /// The thread runs no more; a child process ends here.
    fn stopped(&mut self, end: End) -> End {
        if self.is_child {
            self.end_child(end);
        }
        end
    }

    /// Rests if that is asked for, and finishes queued revocations; where the runtime itself was
    /// interrupted, at the checkpoint at its end.
    pub(super) fn drain_queue(&mut self) -> Result<(), End> {
        let at = self.processor.vcpu.registers().rip;
        let in_runtime = (layout::RUNTIME_START..layout::RUNTIME_END).contains(&at);
        match (self.program.crew.is_held(), in_runtime) {
            (true, true) => self.want_checkpoint(true),
            (true, false) => self.stand_still()?,
            (false, _) => {}
        }
        let waiting = self
            .processor
            .area
            .data()
            .is_some_and(|area| area.pending != 0);
        if !self.is_protected() || !waiting {
            return Ok(());
        }
        if in_runtime {
            self.want_checkpoint(true);
            if self.has_looked(at) {
                self.program.note_missed();
            }
            return Ok(());
        }
        self.upcall(Upcall::Drain, [0; 3]).map(|_| ())
    }

    /// Whether a call of the malloc family that was interrupted at `at` may have looked already
    /// whether a checkpoint is wanted: nothing follows then but a jump and the return.
    fn has_looked(&self, at: u64) -> bool {
        let mut code = [0; 2];
        self.read_any(at, &mut code).is_err() || code[0] == RET || code == JNE
    }

    fn serve_syscall(&mut self) -> Result<(), End> {
        self.processor
            .lower_ring(self.program.machine.ring)
            .map_err(|error| End::Broken(error.to_string()))?;
        let registers = self.processor.vcpu.registers();
        // What is mapped may change: the next fault at the same place is another one.
        self.last_fault = (0, 0);
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
        self.note_registers(&registers);
        Crew::rest(&self.member);
        slot::with(slot::Slot::take_kick);
        self.copy_robust();
        let outcome = self.dispatch(registers.rax, arguments);
        self.program.crew.work(&self.member);
        self.come_back(flushed)?;
        if let Some(end) = self.take_broken() {
            return Err(end);
        }
        match outcome {
            Outcome::Value(value) if is_to_be_repeated(value) => {
                let vcpu = &mut self.processor.vcpu;
                let mut again = vcpu.registers();
                again.rip = again.rip.wrapping_sub(SYSCALL_LENGTH);
                again.rax = registers.rax;
                vcpu.set_registers(&again);
            }
            Outcome::Value(value) => self.processor.vcpu.set_rax(value as u64),
            Outcome::Exit(status) => return Err(End::Exit(status)),
            Outcome::ThreadExit(status) => return Err(End::Thread(status)),
            Outcome::Resumed => {}
            Outcome::Killed(signal) => return Err(End::Signal(signal)),
            Outcome::ThreadKilled(signal) => return Err(End::ThreadSignal(signal)),
            Outcome::Trapped { number, data } => {
                self.processor.vcpu.set_rax(registers.rax);
                return self.trap(number, data, SYSCALL_LENGTH);
            }
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
