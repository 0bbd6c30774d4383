//! One thread of a program: its processor and what system calls keep for it.

use super::crew::Member;
use super::halt::Halt;
use super::modules::NO_HEAP;
use super::processor::Processor;
use super::program::Program;
use super::robust::Robust;
use super::run::End;
use super::vcpu::Exit;
use crate::exec::{Prepared, Request};
use crate::memory::user::{Access, UserMemory};
use crate::process::clone::CloneRequest;
use crate::process::picture::Picture;
use crate::process::{Errno, MapRequest, Outcome, Process};
use crate::seccomp;
use crate::signals::{kick, slot};
use crate::syscalls::state::{Action, SharedState, ThreadState};
use dangless_core::abi::exit::Upcall;
use dangless_core::abi::layout;
use dangless_core::address::GuestVirtual;
use kvm_bindings::kvm_regs;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A thread of a program, on the host thread that runs it.
pub struct Thread {
    pub(super) program: Arc<Program>,
    pub(super) processor: Processor,
    pub(super) calls: ThreadState,
    /// What system calls keep for the process: the program's, but for the child of a `vfork`.
    shared: Arc<Mutex<SharedState>>,
    /// What it has given up: as others see it, but for the child of a `vfork`.
    pub(super) seccomp: Arc<seccomp::Cell>,
    pub(super) member: Arc<Member>,
    stack: Range<u64>,
    pub(super) fs_base: u64,
    /// Whether it belongs to a child process, which does not come back to who started the program.
    pub(super) is_child: bool,
    /// Whether that process runs in its parent's memory.
    pub(super) is_lent: bool,
    /// The copy of its list of robust futexes.
    pub(super) robust: Option<Robust>,
    /// What `execve` works with.
    pub(super) leftover: Option<Prepared>,
    pub(super) last_fault: (u64, u64),
    pub(super) repeats: u32,
    /// An upcall that failed inside a system call ends the program after it.
    pub(super) broken: Option<End>,
    /// That it holds all other threads, for the heap's search.
    pub(super) halt: Option<Halt>,
    /// Words that the search was told.
    pub(super) words: Vec<u64>,
}

impl Thread {
    /// The first thread of a program, on the calling host thread; with protection, the runtime's
    /// heap is started.
    ///
    /// # Errors
    /// When the runtime does not start.
    pub fn first(
        program: Program,
        processor: Processor,
        entry: u64,
        sp: u64,
        stack: Range<u64>,
    ) -> Result<Self, End> {
        let mut thread = Self::new(Arc::new(program), processor, stack);
        thread.processor.vcpu.set_registers(&kvm_regs {
            rip: entry,
            rsp: sp,
            rflags: 0x202,
            ..kvm_regs::default()
        });
        thread.take_signals();
        if thread.is_protected() && thread.upcall(Upcall::Start, [0; 3])? != 0 {
            return Err(End::Broken(NO_HEAP.to_owned()));
        }
        Ok(thread)
    }

    /// What the thread has given up from the start.
    pub fn confine(&self, mode: seccomp::Mode) {
        self.seccomp.set(mode);
    }

    /// A thread on the calling host thread.
    pub(super) fn new(program: Arc<Program>, processor: Processor, stack: Range<u64>) -> Self {
        // SAFETY: no arguments, no memory.
        let id = unsafe { libc::gettid() };
        program.hide(processor.vcpu.descriptor());
        processor.area.update(|area| {
            area.thread = u64::from(id.unsigned_abs());
            area.stack_low = stack.start;
            area.stack_high = stack.end;
        });
        let seccomp = Arc::default();
        let member = program
            .crew
            .join(id, processor.area.clone(), Arc::clone(&seccomp));
        let mut thread = Self {
            shared: program.calls(),
            program,
            processor,
            calls: ThreadState::default(),
            seccomp,
            member,
            stack,
            fs_base: 0,
            is_child: false,
            is_lent: false,
            robust: None,
            leftover: None,
            last_fault: (0, 0),
            repeats: 0,
            broken: None,
            halt: None,
            words: Vec::new(),
        };
        thread.register();
        thread.note_registers(&thread.processor.vcpu.registers());
        thread
    }

    /// Has the signals of the calling host thread stop this thread.
    pub(super) fn register(&mut self) {
        kick::prepare();
        let descriptor = self.processor.vcpu.descriptor();
        self.member.descriptor.store(descriptor, Ordering::Relaxed);
        let exit = self.processor.vcpu.immediate_exit();
        let stop = self.program.crew.stop_flag();
        // SAFETY: processor and program live until the thread withdraws both.
        slot::with(|slot| unsafe { slot.register(exit, stop) });
    }

    /// Ends the thread: what it leaves behind is told to the program, its processor goes back.
    pub(super) fn retire(mut self) {
        self.say_farewell();
        if let Some(robust) = self.robust.take() {
            robust.withdraw();
        }
        if self.is_protected() && !self.program.crew.is_stopping() {
            let index = self.processor.index();
            if let Err(end) = self.upcall(Upcall::ThreadExit, [index, 0, 0]) {
                self.program.crew.end_with(end);
            }
        }
        self.go_outside();
        slot::with(slot::Slot::withdraw);
        self.program.machine.retire(self.processor);
        self.program.crew.leave(self.member.id);
    }

    /// The program that it is a thread of.
    #[must_use]
    pub const fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Whether the program's heap is the runtime's.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.program.is_protected()
    }

    pub(super) const fn stack_start(&self) -> u64 {
        self.stack.start
    }

    pub(super) fn is_on_stack(&self, at: u64) -> bool {
        self.stack.contains(&at)
    }

    /// Runs the guest until it stops.
    pub(super) fn enter(&mut self) -> Exit {
        let vcpu = &mut self.processor.vcpu;
        // Where page tables are shadowed a flush is the whole machine's.
        let local = !self.program.machine.shadow_paging;
        let entered =
            self.program
                .crew
                .enter_guest(&self.member, || if local { vcpu.flush() } else { Ok(()) });
        if let Err(error) = entered {
            return Exit::Broken(error.to_string());
        }
        let exit = vcpu.run();
        self.member.leave_guest();
        exit
    }

    /// Gives this thread a copy of what system calls keep for the process; the original.
    pub(super) fn lend_shared_state(&mut self) -> Arc<Mutex<SharedState>> {
        let copy = self.shared_state().clone();
        std::mem::replace(&mut self.shared, Arc::new(Mutex::new(copy)))
    }

    /// Takes the copy back.
    pub(super) fn give_back_shared_state(&mut self, shared: Arc<Mutex<SharedState>>) {
        self.shared = shared;
    }

    /// Serves a system call, watched by the observer.
    pub(super) fn dispatch(&mut self, number: u64, arguments: [u64; 6]) -> Outcome {
        let program = Arc::clone(&self.program);
        program.observer.dispatch(self, number, arguments)
    }

    /// Takes what went wrong in the middle of a system call.
    pub(super) fn take_broken(&mut self) -> Option<End> {
        self.broken.take()
    }

    /// Reads memory of the program or of the runtime, for reports and the log.
    pub(super) fn read_any(&self, at: u64, into: &mut [u8]) -> Result<(), ()> {
        if (layout::RUNTIME_START..layout::RUNTIME_END).contains(&at) {
            return self.program.machine.read_runtime(at, into);
        }
        let space = &self.program.space;
        space.read(GuestVirtual(at), into).map_err(|_| ())
    }
}

impl Process for Thread {
    fn memory(&self) -> &dyn UserMemory {
        &*self.program.space
    }

    fn map(&mut self, request: MapRequest) -> Result<u64, Errno> {
        let program = Arc::clone(&self.program);
        let _mapping = program.mapping();
        self.map_memory(request)
    }

    fn unmap(&mut self, at: u64, length: u64) -> Result<(), Errno> {
        let program = Arc::clone(&self.program);
        let _mapping = program.mapping();
        self.unmap_memory(at, length)
    }

    fn protect(&mut self, at: u64, length: u64, protection: i32) -> Result<(), Errno> {
        let program = Arc::clone(&self.program);
        let _mapping = program.mapping();
        self.protect_memory(at, length, protection)
    }

    fn remap(
        &mut self,
        at: u64,
        old_length: u64,
        new_length: u64,
        flags: i32,
        new_at: u64,
    ) -> Result<u64, Errno> {
        let program = Arc::clone(&self.program);
        let _mapping = program.mapping();
        self.remap_memory(at, old_length, new_length, flags, new_at)
    }

    fn set_break(&mut self, at: u64) -> u64 {
        let program = Arc::clone(&self.program);
        let _mapping = program.mapping();
        self.move_break(at)
    }

    fn advise(&mut self, at: u64, length: u64, advice: i32) -> Result<(), Errno> {
        let program = Arc::clone(&self.program);
        let _mapping = program.mapping();
        self.advise_memory(at, length, advice)
    }

    fn is_mapped(&self, at: u64, length: u64) -> bool {
        if layout::is_alias(at) {
            // Heap objects are in no mapping of the program's.
            let found = self.memory().slices(GuestVirtual(at), length, Access::Read);
            return found.is_ok();
        }
        at.checked_add(length)
            .is_some_and(|end| self.program.space.is_covered(&(at..end)))
    }

    fn attach_segment(&mut self, id: i32, length: u64, at: u64, flags: i32) -> Result<u64, Errno> {
        let program = Arc::clone(&self.program);
        let _mapping = program.mapping();
        self.attach_memory(id, length, at, flags)
    }

    fn detach_segment(&mut self, at: u64) -> Result<(), Errno> {
        let program = Arc::clone(&self.program);
        let _mapping = program.mapping();
        self.detach_memory(at)
    }

    fn fs_base(&self) -> u64 {
        self.fs_base
    }

    fn set_fs_base(&mut self, base: u64) {
        let vcpu = &mut self.processor.vcpu;
        let set = vcpu.special().and_then(|mut special| {
            special.fs.base = base;
            vcpu.set_special(&special)
        });
        match set {
            Ok(()) => self.fs_base = base,
            Err(error) => self.broken = Some(End::Broken(error.to_string())),
        }
    }

    fn is_hidden(&self, descriptor: i32) -> bool {
        self.program.is_hidden(descriptor)
    }

    fn executable(&self) -> &Path {
        self.program.executable()
    }

    fn start_thread(&mut self, request: &CloneRequest) -> Result<i64, Errno> {
        self.spawn(request)
    }

    fn threads(&self) -> Vec<i32> {
        let members = self.program.crew.members();
        members.iter().map(|member| member.id).collect()
    }

    fn picture(&self) -> Picture {
        self.program.picture()
    }

    fn owns_process(&self) -> bool {
        self.program.alone || self.is_child
    }

    fn dispose(&mut self, signal: i32, action: &Action) -> Result<(), Errno> {
        self.dispose_host(signal, action).map_err(Errno)
    }

    fn return_from_handler(&mut self) -> bool {
        self.leave_handler()
    }

    fn stack_pointer(&self) -> u64 {
        self.processor.vcpu.registers().rsp
    }

    fn program_counter(&self) -> u64 {
        self.processor.vcpu.registers().rip
    }

    fn seccomp(&self) -> &Arc<seccomp::Cell> {
        &self.seccomp
    }

    fn comrades(&self) -> Vec<(i32, Arc<seccomp::Cell>)> {
        // The child of a `vfork` is alone in its process.
        if self.is_lent {
            return Vec::new();
        }
        let members = self.program.crew.members();
        members
            .iter()
            .filter(|member| member.id != self.member.id)
            .map(|member| (member.id, Arc::clone(&member.seccomp)))
            .collect()
    }

    fn thread_state(&mut self) -> &mut ThreadState {
        &mut self.calls
    }

    fn shared_state(&self) -> MutexGuard<'_, SharedState> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clone_process(&mut self, request: &CloneRequest) -> Result<i64, Errno> {
        self.make_process(request)
    }

    fn replace(&mut self, request: Request) -> Errno {
        self.become_other(request)
    }
}
