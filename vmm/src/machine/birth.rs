//! New threads: a host thread with a processor of its own, as a copy of the calling one.

use super::program::Program;
use super::run::End;
use super::thread::Thread;
use crate::descriptor::Room;
use crate::memory::user::UserMemory;
use crate::process::clone::CloneRequest;
use crate::process::{Errno, Process};
use crate::seccomp;
use crate::signals::mask;
use crate::syscalls::state::ThreadState;
use dangless_core::abi::exit::Upcall;
use dangless_core::address::GuestVirtual;
use std::ops::Range;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::mpsc::{sync_channel, SyncSender};
use std::sync::Arc;

/// Bytes of a host thread's stack.
const HOST_STACK: usize = 256 << 10;

/// What the new host thread is given.
struct Egg {
    program: Arc<Program>,
    processor: super::processor::Processor,
    request: CloneRequest,
    stack: Range<u64>,
    fs_base: u64,
    /// The signals that the thread blocks.
    mask: u64,
    /// What the calling thread has given up, and so this one too.
    seccomp: Arc<seccomp::Cell>,
    /// Told the thread's id, or why there is no thread.
    born: SyncSender<Result<i32, Errno>>,
}

impl Thread {
    /// Makes a thread that goes on where the calling one does, in another stack; its id.
    pub(super) fn spawn(&mut self, request: &CloneRequest) -> Result<i64, Errno> {
        const AGAIN: Errno = Errno(libc::EAGAIN);
        let room = Room::make();
        let mut processor = self.program.machine.processor().map_err(|_| AGAIN)?;
        drop(room);
        let fs_base = if request.has(libc::CLONE_SETTLS as u64) {
            request.tls
        } else {
            self.fs_base
        };
        let copied = processor.vcpu.copy_state(&self.processor.vcpu, fs_base);
        let mut registers = self.processor.vcpu.registers();
        registers.rax = 0;
        if request.stack != 0 {
            registers.rsp = request.stack;
        }
        processor.vcpu.set_registers(&registers);
        let top = registers.rsp;
        let around = self.program.space.area_around(top.wrapping_sub(1));
        let stack = around.unwrap_or(0..0);
        let (born, birth) = sync_channel(1);
        // Taken by the parent, so that nothing comes between: the child's mask is its parent's.
        let old = mask::hold();
        let egg = Egg {
            program: Arc::clone(&self.program),
            processor,
            request: *request,
            stack,
            fs_base,
            mask: old,
            seccomp: Arc::clone(&self.seccomp),
            born,
        };
        let made = copied.map_err(|_| AGAIN).and_then(|()| {
            std::thread::Builder::new()
                .stack_size(HOST_STACK)
                .spawn(move || egg.hatch())
                .map_err(|_| AGAIN)
        });
        let id = made.and_then(|_| birth.recv().unwrap_or(Err(AGAIN)));
        mask::set_program(old);
        id.map(i64::from)
    }
}

impl Egg {
    /// Runs the thread, on its host thread.
    fn hatch(self) {
        let flags = self.request.flags as i32;
        // What the new thread shares of the process is the host thread's to share.
        let apart = (libc::CLONE_FILES | libc::CLONE_FS) & !flags;
        if apart != 0 {
            // SAFETY: only changes what this thread shares with others.
            if unsafe { libc::unshare(apart) } != 0 {
                // The parent is told; nobody listens only if it has gone.
                let _ = self.born.send(Err(Errno(libc::EAGAIN)));
                return;
            }
        }
        let program = Arc::clone(&self.program);
        let ran = catch_unwind(AssertUnwindSafe(|| self.run()));
        if ran.is_err() {
            let bug = "the VMM has a bug: a thread of its own panicked";
            program.crew.end_with(End::Broken(bug.to_owned()));
            // SAFETY: no arguments, no memory.
            program.crew.leave(unsafe { libc::gettid() });
        }
    }

    fn run(self) {
        let request = &self.request;
        let mut thread = Thread::new(Arc::clone(&self.program), self.processor, self.stack);
        thread.fs_base = self.fs_base;
        {
            // Under the lock, so that a filter for all threads reaches this one, here or there.
            let _changing = thread.shared_state();
            thread.seccomp.set(self.seccomp.mode());
        }
        let id = thread.member.id;
        if let Err(errno) = thread.settle_in(request) {
            thread.retire();
            // As in `hatch`.
            let _ = self.born.send(Err(errno));
            return;
        }
        thread.calls = ThreadState {
            tid_address: if request.has(libc::CLONE_CHILD_CLEARTID as u64) {
                request.child_tid
            } else {
                0
            },
            ..ThreadState::default()
        };
        // As in `hatch`.
        let _ = self.born.send(Ok(id));
        mask::set(self.mask);
        let end = thread.run();
        mask::set(mask::ALL);
        let crew = &self.program.crew;
        match end {
            End::Thread(_) => {}
            // The last thread takes the program along.
            End::ThreadSignal(signal) if crew.members().len() == 1 => {
                crew.end_with(End::Signal(signal));
            }
            End::ThreadSignal(_) => {}
            end => crew.end_with(end),
        }
        thread.retire();
    }
}

impl Thread {
    /// What has to be done before the thread's first instruction.
    fn settle_in(&mut self, request: &CloneRequest) -> Result<(), Errno> {
        if self.is_protected() {
            let index = self.processor.index();
            let started = self
                .upcall(Upcall::CatchUp, [0; 3])
                .and_then(|_| self.upcall(Upcall::ThreadStart, [index, 0, 0]));
            match started {
                Ok(0) => {}
                Ok(_) | Err(_) => return Err(Errno(libc::EAGAIN)),
            }
        }
        let id = self.member.id.to_le_bytes();
        for (flag, at) in [
            (libc::CLONE_PARENT_SETTID, request.parent_tid),
            (libc::CLONE_CHILD_SETTID, request.child_tid),
        ] {
            if request.has(flag as u64) {
                // As on Linux, an address that cannot be written is let pass.
                let _ = self.program.space.write(GuestVirtual(at), &id);
            }
        }
        Ok(())
    }
}
