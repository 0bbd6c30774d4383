//! Signals of the program: from what the host's handler recorded to the program's own handler, and
//! back.
//!
//! No frame is built while the runtime works: its entries ask for one at their end, by the
//! `signal` word of the area (`PORT_CHECKPOINT`), and `syscall`'s goes on to the VMM anyway.

use super::exception::Fault;
use super::frame::{self, Saved};
use super::run::End;
use super::thread::Thread;
use crate::memory::user::UserMemory;
use crate::seccomp::filter::ARCHITECTURE;
use crate::signals::record::{self, Disposition};
use crate::signals::slot::{self, INFO};
use crate::signals::{kick::KICK, mask};
use crate::standard;
use crate::syscalls::engine::host::in_user_range;
use crate::syscalls::state::{by_default, Action, AlternateStack, ByDefault, AUTODISARM};
use dangless_core::abi::area::VcpuArea;
use dangless_core::abi::layout;
use dangless_core::address::GuestVirtual;
use kvm_bindings::kvm_regs;
use std::mem::offset_of;
use std::sync::atomic::Ordering;

/// Bytes below the stack pointer that the program may use.
const RED_ZONE: u64 = 128;
/// Trap, direction, resume and nested-task flags are off in a handler.
const FLAGS_OFF: u64 = 1 << 8 | 1 << 10 | 1 << 14 | 1 << 16;
/// `si_code` of SIGSYS for a system call that a filter traps (`SYS_SECCOMP`).
const SYS_SECCOMP: i32 = 1;
/// `si_code` of signals that the kernel makes without saying more.
const SI_KERNEL: i32 = 0x80;

fn is_runtime(at: u64) -> bool {
    (layout::RUNTIME_START..layout::RUNTIME_END).contains(&at)
}

/// Whether an address may be where a program goes on.
fn is_code(at: u64) -> bool {
    in_user_range(at, 1)
}

impl Thread {
    /// Sets or clears the word by which the runtime is asked for a checkpoint.
    pub(super) fn want_checkpoint(&self, want: bool) {
        if let Some(word) = self.processor.area.shared(offset_of!(VcpuArea, signal)) {
            word.store(u64::from(want), Ordering::SeqCst);
        }
    }

    /// Enters the program's handler for a signal that has been recorded.
    pub(super) fn deliver(&mut self) -> Result<(), End> {
        if !slot::with(slot::Slot::has_recorded) {
            return Ok(());
        }
        if is_runtime(self.processor.vcpu.registers().rip) {
            self.want_checkpoint(true);
            // The word may have been looked at already: come again soon.
            self.member.deferred.store(true, Ordering::SeqCst);
            self.program
                .start_ticking()
                .map_err(|error| End::Broken(error.to_string()))?;
            self.program.note_missed();
            return Ok(());
        }
        self.member.deferred.store(false, Ordering::SeqCst);
        self.want_checkpoint(false);
        let Some(recorded) = slot::with(slot::Slot::take) else {
            return Ok(());
        };
        let signal = recorded.signal;
        let action = self.action(signal);
        if action.is_handled() {
            let masks = [recorded.mask, recorded.during];
            return self.enter_handler(signal, &recorded.info, &action, masks, [0; 3]);
        }
        // The action changed after the signal was recorded, or the process is not the program's.
        if action.is_default() {
            match by_default(signal) {
                ByDefault::Kills => return Err(End::Signal(signal)),
                // SAFETY: stops this process, as the program's own default action does.
                ByDefault::Stops => drop(unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) }),
                ByDefault::Ignored => {}
            }
        }
        mask::set(recorded.mask);
        Ok(())
    }

    /// The runtime has finished a call that a signal or the clock waits for: returns from it, and
    /// does what the clock wanted; signals are delivered next.
    pub(super) fn checkpoint(&mut self) -> Result<(), End> {
        let mut registers = self.processor.vcpu.registers();
        let mut back = [0; 8];
        if self.read_any(registers.rsp, &mut back).is_err() {
            return Err(End::Signal(libc::SIGSEGV));
        }
        registers.rip = u64::from_le_bytes(back);
        registers.rsp = registers.rsp.wrapping_add(8);
        self.processor.vcpu.set_registers(&registers);
        self.want_checkpoint(false);
        self.drain_queue()
    }

    /// Takes over the signals of the process, where it is the program's alone, and those that come
    /// to its other threads.
    pub(super) fn take_signals(&mut self) {
        use crate::process::Process;
        record::set_home();
        if !self.owns_process() {
            return;
        }
        standard::close_again();
        let ignored = record::hand_over();
        let mut shared = self.shared_state();
        for signal in ignored {
            let ignore = Action {
                handler: libc::SIG_IGN as u64,
                ..Action::default()
            };
            shared.actions.set(signal, ignore);
        }
    }

    fn action(&self, signal: i32) -> Action {
        use crate::process::Process;
        self.shared_state().actions.get(signal).unwrap_or_default()
    }

    /// Builds a handler's frame and points the processor at the handler. The masks are those of
    /// after and before it.
    fn enter_handler(
        &mut self,
        signal: i32,
        info: &[u8; INFO],
        action: &Action,
        [mask, during]: [u64; 2],
        fault: [u64; 3],
    ) -> Result<(), End> {
        let broken = |error: super::host::HostError| End::Broken(error.to_string());
        let registers = self.processor.vcpu.registers();
        let has = |flag: i32| action.flags & flag as u32 as u64 != 0;
        let stack = self.calls.stack;
        let mut sp = registers.rsp.wrapping_sub(RED_ZONE);
        let alternate = has(libc::SA_ONSTACK) && stack.size != 0 && !stack.is_in_use(registers.rsp);
        if alternate {
            sp = stack.base.wrapping_add(stack.size);
        }
        let state = self.processor.vcpu.extended().map_err(broken)?;
        let (features, size) = self.program.machine.vector_layout();
        let vectors = frame::encode_vectors(&state, features, size);
        let vectors_at = sp.wrapping_sub(vectors.len() as u64) & !63;
        let at = (vectors_at.wrapping_sub(frame::SIZE as u64) & !15).wrapping_sub(8);
        let in_use = stack.is_in_use(registers.rsp);
        let saved = Saved {
            registers,
            mask,
            stack: AlternateStack {
                flags: stack.flags | if in_use { libc::SS_ONSTACK } else { 0 },
                ..stack
            },
            fault,
            vectors: vectors_at,
        };
        let bytes = frame::encode(&saved, info, action.restorer);
        let space = &self.program.space;
        let overflows = alternate && at < stack.base;
        let written = !overflows
            && space.write(GuestVirtual(vectors_at), &vectors).is_ok()
            && space.write(GuestVirtual(at), &bytes).is_ok();
        if !written || !is_code(action.handler) {
            // As on Linux: no room for the frame is a fault that no handler can serve.
            return Err(End::Signal(libc::SIGSEGV));
        }
        if alternate && stack.flags & AUTODISARM != 0 {
            self.calls.stack = AlternateStack::default();
        }
        self.processor
            .vcpu
            .set_extended(&frame::fresh_vectors())
            .map_err(broken)?;
        self.processor.vcpu.set_registers(&kvm_regs {
            rip: action.handler,
            rsp: at,
            rdi: signal as u64,
            rsi: at + frame::INFORMATION as u64,
            rdx: at + frame::CONTEXT as u64,
            rax: 0,
            rflags: registers.rflags & !FLAGS_OFF,
            ..registers
        });
        if has(libc::SA_RESETHAND) {
            self.reset_action(signal);
        }
        let own = if has(libc::SA_NODEFER) {
            0
        } else {
            mask::bit(signal)
        };
        mask::set_program(during | action.mask | own);
        Ok(())
    }

    fn reset_action(&mut self, signal: i32) {
        use crate::process::Process;
        let default = Action::default();
        self.shared_state().actions.set(signal, default);
        // The signal had a handler, so the host knows it.
        let _ = self.dispose_host(signal, &default);
    }

    /// Has the host do with a signal what the program wants.
    pub(super) fn dispose_host(&self, signal: i32, action: &Action) -> Result<(), i32> {
        let owns = crate::process::Process::owns_process(self);
        if signal == KICK || (!owns && !action.is_handled() && !action.is_default()) {
            return Ok(());
        }
        record::dispose(
            signal,
            match () {
                () if action.is_handled() || !owns => Disposition::Record(action.flags),
                () if action.is_ignore() => Disposition::Ignore,
                () if action.flags & libc::SA_NOCLDWAIT as u64 != 0 => {
                    Disposition::DefaultWith(action.flags)
                }
                () => Disposition::Default,
            },
        )
    }

    /// A fault of the program's own code: its handler's, if it has one that may run.
    pub(super) fn fault_handler(
        &mut self,
        signal: i32,
        code: i32,
        address: u64,
        fault: [u64; 3],
    ) -> Result<bool, End> {
        let action = self.action(signal);
        let blocked = mask::hold();
        let pending = slot::with(slot::Slot::has_recorded);
        // The signal first; the fault comes again after it.
        if pending && !is_runtime(self.processor.vcpu.registers().rip) {
            self.deliver()?;
            return Ok(true);
        }
        if !action.is_handled() || blocked & mask::bit(signal) != 0 {
            mask::set_program(blocked);
            return Ok(false);
        }
        let mut info = [0u8; INFO];
        info[..4].copy_from_slice(&signal.to_le_bytes());
        info[8..12].copy_from_slice(&code.to_le_bytes());
        info[16..24].copy_from_slice(&address.to_le_bytes());
        self.enter_handler(signal, &info, &action, [blocked; 2], fault)?;
        Ok(true)
    }

    /// A filter traps the system call that has just been made, an instruction of so many bytes:
    /// SIGSYS, which kills where no handler may run.
    pub(super) fn trap(&mut self, number: u32, data: u16, length: u64) -> Result<(), End> {
        let blocked = mask::hold();
        if slot::with(slot::Slot::has_recorded) {
            // That signal first; the call is made and trapped again after it.
            let mut again = self.processor.vcpu.registers();
            again.rip = again.rip.wrapping_sub(length);
            self.processor.vcpu.set_registers(&again);
            return Ok(());
        }
        let action = self.action(libc::SIGSYS);
        if !action.is_handled() || blocked & mask::bit(libc::SIGSYS) != 0 {
            mask::set_program(blocked);
            return Err(End::Signal(libc::SIGSYS));
        }
        let at = self.processor.vcpu.registers().rip;
        let mut info = [0u8; INFO];
        info[..4].copy_from_slice(&libc::SIGSYS.to_le_bytes());
        info[4..8].copy_from_slice(&i32::from(data).to_le_bytes());
        info[8..12].copy_from_slice(&SYS_SECCOMP.to_le_bytes());
        info[16..24].copy_from_slice(&at.to_le_bytes());
        info[24..28].copy_from_slice(&number.to_le_bytes());
        info[28..32].copy_from_slice(&ARCHITECTURE.to_le_bytes());
        self.enter_handler(libc::SIGSYS, &info, &action, [blocked; 2], [0; 3])
    }

    /// `si_code` and `si_addr` of an exception, as Linux has them.
    pub(super) fn code_of(&self, fault: &Fault, signal: i32, mapped: bool) -> (i32, u64) {
        let state = || self.processor.vcpu.extended().ok();
        let floating =
            |x87: bool| state().map_or(0, |state| frame::floating_point_code(&state, x87));
        match (fault.vector, signal) {
            (14, libc::SIGSEGV) => (if mapped { 2 } else { 1 }, fault.address),
            (14, _) => (2, fault.address),
            (0, _) => (1, fault.pc),
            (16, _) => (floating(true), fault.pc),
            (19, _) => (floating(false), fault.pc),
            (6, _) => (2, fault.pc),
            (1, _) => (2, fault.pc),
            (17, _) => (1, 0),
            _ => (SI_KERNEL, 0),
        }
    }

    /// `rt_sigreturn`: whether the stack holds a frame.
    pub(super) fn leave_handler(&mut self) -> bool {
        let sp = self.processor.vcpu.registers().rsp;
        let space = &self.program.space;
        let mut context = [0; frame::CONTEXT_BYTES];
        if space.read(GuestVirtual(sp), &mut context).is_err() {
            return false;
        }
        let saved = frame::decode(&context);
        let (features, size) = self.program.machine.vector_layout();
        let state = if saved.vectors == 0 {
            frame::fresh_vectors()
        } else {
            let mut bytes = vec![0; size + 4];
            if space.read(GuestVirtual(saved.vectors), &mut bytes).is_err() {
                // Perhaps only the legacy part is there.
                bytes.truncate(512);
                if space.read(GuestVirtual(saved.vectors), &mut bytes).is_err() {
                    return false;
                }
            }
            frame::decode_vectors(&bytes, features, size)
        };
        if !is_code(saved.registers.rip) || self.processor.vcpu.set_extended(&state).is_err() {
            return false;
        }
        self.processor.vcpu.set_registers(&saved.registers);
        let stack = saved.stack;
        let flags = stack.flags & !(libc::SS_ONSTACK | AUTODISARM);
        if !self.calls.stack.is_in_use(saved.registers.rsp) && flags & !libc::SS_DISABLE == 0 {
            self.calls.stack = AlternateStack {
                flags: stack.flags & !libc::SS_ONSTACK,
                ..stack
            };
        }
        mask::set_program(saved.mask);
        true
    }
}
