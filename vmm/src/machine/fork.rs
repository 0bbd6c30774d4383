//! Child processes.
//!
//! A child with memory of its own is a fork of the VMM. It takes every lock of the VMM's before,
//! so that its copy holds nothing half done, and the child, which has this one thread only, makes
//! the machine anew ([`super::revive`]). What the C library's `fork` cannot do (namespaces, other
//! signals at the end, other parents) the host's `clone` does, where no other thread could hold a
//! lock of the C library's.
//!
//! A child that its parent waits for (`vfork`, `posix_spawn`) shares the memory, on the host as in
//! the program: the host's own `vfork` suspends this thread, and the child runs on in the same
//! machine and on the same processor, which belong to the memory and not to the process. When it
//! has become another program, or has ended, the parent's processor state is put back.

use super::crew::Crew;
use super::program::Program;
use super::revive::State;
use super::run::End;
use super::thread::Thread;
use crate::descriptor::{self, Room};
use crate::exec::{find, Policy, Prepared, Request};
use crate::memory::user::UserMemory;
use crate::process::clone::{CloneRequest, CLEAR_SIGHAND, NAMESPACES};
use crate::process::death::{die, Death};
use crate::process::{Errno, Process};
use crate::seccomp;
use crate::signals::{mask, slot, stub};
use crate::syscalls::state::{Action, SIGNALS};
use dangless_core::abi::exit::Upcall;
use dangless_core::address::GuestVirtual;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::Arc;

const VM: u64 = libc::CLONE_VM as u64;
const VFORK: u64 = libc::CLONE_VFORK as u64;
const PIDFD: u64 = libc::CLONE_PIDFD as u64;
const SETTLS: u64 = libc::CLONE_SETTLS as u64;
const PARENT_SETTID: u64 = libc::CLONE_PARENT_SETTID as u64;
const CHILD_SETTID: u64 = libc::CLONE_CHILD_SETTID as u64;
const CHILD_CLEARTID: u64 = libc::CLONE_CHILD_CLEARTID as u64;
const FILES: u64 = libc::CLONE_FILES as u64;
/// What the host's kernel alone can do.
const BY_CLONE: u64 = VFORK | NAMESPACES | (libc::CLONE_PARENT | libc::CLONE_FS) as u64;
/// What is left to the host's kernel where it is asked; the rest concerns the program's memory and
/// is done here.
const OF_THE_HOST: u64 =
    BY_CLONE | (libc::CLONE_UNTRACED | libc::CLONE_SYSVSEM | libc::CLONE_IO) as u64;

/// Exit status of the VMM's own failures.
const FAILURE: u8 = 125;

/// What ends a child process: tells the user, and says what the process ends with.
pub type Farewell = dyn Fn(&Program, End) -> Death + Send + Sync;

/// What the parent keeps while a child runs in its memory.
struct Shared<'a> {
    thread: &'a mut Thread,
    request: CloneRequest,
    /// The signals that the thread blocks.
    mask: u64,
}

fn last_error() -> Errno {
    Errno(
        io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EAGAIN),
    )
}

impl Thread {
    /// Makes a child process: 0 in the child, its id in the parent.
    pub(super) fn make_process(&mut self, request: &CloneRequest) -> Result<i64, Errno> {
        // A signal that has come is served first, as on Linux, and none comes in between.
        let mask = mask::set(mask::ALL);
        if slot::with(slot::Slot::has_recorded) {
            return Err(Errno(stub::RESTART));
        }
        let made = self.make_process_masked(request, mask);
        mask::set(mask);
        made
    }

    fn make_process_masked(&mut self, request: &CloneRequest, mask: u64) -> Result<i64, Errno> {
        let state = self
            .processor
            .vcpu
            .state()
            .map_err(|_| Errno(libc::ENOMEM))?;
        if request.has(VM) {
            self.lend(request, &state, mask)
        } else {
            self.copy(request, &state)
        }
    }

    fn copy(&mut self, request: &CloneRequest, state: &State) -> Result<i64, Errno> {
        let program = Arc::clone(&self.program);
        program.know_host();
        let child = if request.flags & BY_CLONE == 0 && request.exit_signal == libc::SIGCHLD {
            let frozen = program.freeze(&self.member);
            // SAFETY: the child has this thread only. It holds every lock that others could have
            // held at this moment, here and, by the C library's own care, in the C library.
            let child = unsafe { libc::fork() };
            let failed = last_error();
            drop(frozen);
            if child < 0 {
                return Err(failed);
            }
            child
        } else {
            self.copy_by_clone(request)?
        };
        if child == 0 {
            if let Err(why) = self.become_child(request, state) {
                program
                    .observer
                    .note(&format!("a child process cannot go on: {why}"));
                die(Death::Exit(FAILURE));
            }
            return Ok(0);
        }
        if request.has(PIDFD) {
            // SAFETY: no pointers are involved. The child is not waited for yet, so the number is
            // its own.
            let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, child, 0) };
            self.store(request.pidfd, descriptor as i32);
        }
        if request.has(PARENT_SETTID) {
            self.store(request.parent_tid, child);
        }
        Ok(i64::from(child))
    }

    /// The host's own `clone`, with the flags that are its business: 0 in the child, which goes on
    /// with its copy of this stack.
    fn copy_by_clone(&mut self, request: &CloneRequest) -> Result<i32, Errno> {
        let program = &self.program;
        let others = program.crew.members().len() > 1;
        if others || !(program.alone || self.is_child) {
            return Err(Errno(libc::EINVAL));
        }
        // Dropped, the thread that looks at queued revocations is gone.
        let ticked = program.take_ticker().is_some();
        let flags = request.flags & OF_THE_HOST | request.exit_signal as u64;
        let frozen = program.freeze(&self.member);
        // SAFETY: without a stack the child goes on here, on its copy of this one. This is the
        // process's only thread, so nobody holds a lock, here or in the C library.
        let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
        let failed = last_error();
        drop(frozen);
        if child != 0 && ticked {
            self.member.set_ticking(false);
            if let Err(error) = program.start_ticking() {
                self.broken = Some(End::Broken(error.to_string()));
            }
        }
        match i32::try_from(child) {
            Ok(child) if child >= 0 => Ok(child),
            _ => Err(failed),
        }
    }

    /// Makes the forked child's copy of everything its own.
    fn become_child(&mut self, request: &CloneRequest, state: &State) -> Result<(), String> {
        let program = Arc::clone(&self.program);
        let _room = Room::make();
        // The thread it speaks of exists in the parent only.
        std::mem::forget(program.take_ticker());
        // SAFETY: no arguments, no memory.
        let id = unsafe { libc::gettid() };
        let parent = self.member.id;
        program.pauses.forget();
        let before = program.crew.revive();
        for member in &before {
            member.forget_epoch();
            let descriptor = member.descriptor.load(Ordering::Relaxed);
            if member.id != parent && descriptor >= 0 {
                // SAFETY: the vCPU of a thread that exists in the parent only; nobody here uses
                // or closes it.
                unsafe { libc::close(descriptor) };
                program.show(descriptor);
            }
        }
        let seccomp = Arc::clone(&self.seccomp);
        self.member = program.crew.join(id, self.processor.area.clone(), seccomp);
        self.member.set_ticking(false);
        self.processor.area.update(|area| {
            area.thread = u64::from(id.unsigned_abs());
        });
        let old = program.machine.descriptors();
        let old_vcpu = self.processor.vcpu.descriptor();
        slot::with(slot::Slot::withdraw);
        program
            .machine
            .revive(
                &mut self.processor,
                state,
                before.iter().map(|member| member.area.clone()),
            )
            .map_err(|error| error.to_string())?;
        self.register();
        // Locks that the parent's thread holds are not this one's.
        self.calls.robust_list = (0, 0);
        self.robust = None;
        self.calls.tid_address = if request.has(CHILD_CLEARTID) {
            request.child_tid
        } else {
            0
        };
        // Asynchronous input and output stays with the parent.
        self.shared_state().contexts.clear();
        for descriptor in old.into_iter().chain([old_vcpu]) {
            program.show(descriptor);
        }
        for descriptor in program.machine.descriptors() {
            program.hide(descriptor);
        }
        program.hide(self.processor.vcpu.descriptor());
        self.is_child = true;
        for member in before.iter().filter(|member| member.id != parent) {
            // The heap of a thread that the child does not have: another will take it over.
            let index = member.area.index();
            self.upcall(Upcall::ThreadExit, [index, 0, 0])
                .map_err(|end| format!("{end:?}"))?;
        }
        self.inherit_memory()
            .map_err(|Errno(number)| format!("memory of its parent's: error {number}"))?;
        self.start_child(request, id);
        Ok(())
    }

    /// What `clone` does for the child in the child's memory and registers.
    fn start_child(&mut self, request: &CloneRequest, id: i32) {
        if request.has(CLEAR_SIGHAND) {
            self.forget_handlers();
        }
        if request.stack != 0 {
            let mut registers = self.processor.vcpu.registers();
            registers.rsp = request.stack;
            self.processor.vcpu.set_registers(&registers);
        }
        if request.has(SETTLS) {
            crate::process::Process::set_fs_base(self, request.tls);
        }
        if request.has(CHILD_SETTID) {
            self.store(request.child_tid, id);
        }
    }

    /// Handled signals do what they do by default from now on.
    fn forget_handlers(&mut self) {
        for signal in 1..=SIGNALS {
            let action = self.shared_state().actions.get(signal);
            if action.is_some_and(|action| action.is_handled()) {
                let default = Action::default();
                self.shared_state().actions.set(signal, default);
                // The default is always allowed.
                let _ = self.dispose_host(signal, &default);
            }
        }
    }

    /// Stores a number in the program's memory; as with the host's kernel, what cannot be stored
    /// is not.
    fn store(&self, at: u64, number: i32) {
        let bytes = number.to_le_bytes();
        // The child exists by now, so there is nobody to tell.
        let _ = self.program.space.write(GuestVirtual(at), &bytes);
    }

    fn lend(&mut self, request: &CloneRequest, state: &State, mask: u64) -> Result<i64, Errno> {
        let program = Arc::clone(&self.program);
        program.know_host();
        let calls = self.calls.clone();
        let shared = self.lend_shared_state();
        let own = Arc::new(seccomp::Cell::new(self.seccomp.mode()));
        let seccomp = std::mem::replace(&mut self.seccomp, own);
        // The child has none.
        let robust = self.robust.take();
        let (fs_base, was_child, was_lent) = (self.fs_base, self.is_child, self.is_lent);
        let mut pidfd: i32 = -1;
        let mut loan = Shared {
            thread: self,
            request: *request,
            mask,
        };
        let flags = request.flags & (OF_THE_HOST | VM | FILES | PIDFD) | request.exit_signal as u64;
        program.crew.lend();
        // SAFETY: the child starts on this stack, below all that this function uses of it, in a
        // function that never returns; until it is gone this thread stands still. `loan` and
        // `pidfd` outlive it.
        let child = unsafe { vfork(flags, &mut pidfd, &mut loan) };
        program.crew.take_back();
        self.give_back_shared_state(shared);
        self.seccomp = seccomp;
        self.calls = calls;
        self.robust = robust;
        self.fs_base = fs_base;
        self.is_child = was_child;
        self.is_lent = was_lent;
        self.broken = None;
        self.member.leave_guest();
        Crew::rest(&self.member);
        // What the child left lying around when it became another program.
        if let Some(mut leftover) = self.leftover.take().filter(|_| request.has(FILES)) {
            leftover.close();
        }
        let id = self.member.id;
        self.processor.area.update(|area| {
            area.thread = u64::from(id.unsigned_abs());
        });
        if let Err(error) = self.processor.vcpu.set_state(state) {
            self.broken = Some(End::Broken(error.to_string()));
        }
        self.note_registers(&self.processor.vcpu.registers());
        if child < 0 {
            return Err(Errno(i32::try_from(-child).unwrap_or(libc::EAGAIN)));
        }
        if request.has(PIDFD) {
            self.store(request.pidfd, pidfd);
        }
        if request.has(CHILD_CLEARTID) {
            self.store(request.child_tid, 0);
        }
        Ok(child)
    }

    /// Runs the child of a `vfork` to its end.
    fn run_lent(&mut self, request: &CloneRequest, mask: u64) -> ! {
        // SAFETY: no arguments, no memory.
        let id = unsafe { libc::gettid() };
        self.is_child = true;
        self.is_lent = true;
        self.calls.robust_list = (0, 0);
        self.processor.area.update(|area| {
            area.thread = u64::from(id.unsigned_abs());
        });
        if request.has(PARENT_SETTID) {
            self.store(request.parent_tid, id);
        }
        self.start_child(request, id);
        self.processor.vcpu.set_rax(0);
        mask::set(mask);
        let end = self.run();
        self.end_child(end)
    }

    /// Ends this thread of a child process, and the process when it is the last.
    pub(super) fn end_child(&mut self, end: End) -> ! {
        if self.is_lent {
            // All but the process's own end is its parent's.
            self.leave(match end {
                End::Thread(status) => End::Exit(status),
                End::ThreadSignal(signal) => End::Signal(signal),
                end => end,
            });
        }
        let own = self.end_own(end);
        self.say_farewell();
        self.go_outside();
        slot::with(slot::Slot::withdraw);
        self.program.crew.leave(self.member.id);
        self.leave(self.program.crew.wait().unwrap_or(own))
    }

    /// Ends this child process.
    pub(super) fn leave(&self, end: End) -> ! {
        die((self.program.farewell)(&self.program, end))
    }

    /// `execve`; comes back only if that failed.
    pub(super) fn become_other(&mut self, request: Request) -> Errno {
        let program = Arc::clone(&self.program);
        if !self.is_child && !program.alone {
            return Errno(libc::EPERM);
        }
        let room = Room::make();
        let limits = self.shared_state().limits.clone();
        let descriptors = limits.get(&libc::RLIMIT_NOFILE).copied();
        let filters = self.seccomp.mode().filters();
        // The host's program would be without them.
        let filtered = !filters.is_empty();
        let prepared = match &program.policy {
            Policy::Refuse => return Errno(libc::EPERM),
            Policy::Native if filtered => return Errno(libc::EACCES),
            Policy::Native => Prepared::native(request),
            Policy::Follow(launcher) => match find::find(&request) {
                Err(error) => return error,
                Ok(find::Found::Runnable { file, arguments }) => {
                    let known = program.known_host();
                    match launcher.prepare(request, file, arguments, &limits, &filters, known) {
                        Ok(prepared) => prepared,
                        Err(error) => return error,
                    }
                }
                Ok(find::Found::Foreign) => {
                    let name = request.name().to_string_lossy().into_owned();
                    let barred = if program.require_protection {
                        Some("it cannot be protected")
                    } else if filtered {
                        Some("the host would run it without its filters")
                    } else {
                        None
                    };
                    if let Some(why) = barred {
                        program.observer.note(&format!("{name}: not run: {why}"));
                        return Errno(libc::EACCES);
                    }
                    program
                        .observer
                        .remark(&format!("{name}: left to the host: it runs unprotected"));
                    Prepared::native(request)
                }
            },
        };
        // What the new program blocks is what this thread does; a signal that has come is served
        // first.
        if slot::with(slot::Slot::has_recorded) {
            return Errno(stub::RESTART);
        }
        // The VMM's next start has the room, and is told the limit; the host's program gets the limit.
        let room = descriptors.is_some().then_some(room);
        let room = room.filter(|_| prepared.is_followed());
        if let (None, Some(limit)) = (&room, descriptors) {
            descriptor::set_limit(limit);
        }
        // A child of `vfork` leaves this to its parent.
        let failed = self.leftover.insert(prepared).go();
        self.leftover = None;
        drop(room);
        failed
    }
}

/// The host's `vfork`: the child goes on in [`run_child`], on this stack; this thread stands still
/// until the child is gone or another program. The child's id, or a negative error.
///
/// # Safety
/// `pidfd` and `loan` must be valid until the child is gone, and nobody else may use them.
unsafe fn vfork(flags: u64, pidfd: *mut i32, loan: *mut Shared<'_>) -> i64 {
    let child: i64;
    // SAFETY: `clone` without a stack of its own. In the parent all registers but RAX, RCX and R11
    // are preserved; the child calls a function that does not return, on an aligned stack, below
    // everything that is in use (this block promises nothing about the stack, so there is no red
    // zone).
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, {loan}",
            "call {child}",
            "ud2",
            "2:",
            loan = in(reg) loan,
            child = sym run_child,
            inlateout("rax") libc::SYS_clone => child,
            in("rdi") flags,
            in("rsi") 0u64,
            in("rdx") pidfd,
            in("r10") 0u64,
            in("r8") 0u64,
            out("rcx") _,
            out("r11") _,
        );
    }
    child
}

/// The child of [`vfork`].
extern "C" fn run_child(loan: *mut Shared<'_>) -> ! {
    // SAFETY: the parent made it for this call and stands still.
    let loan = unsafe { &mut *loan };
    let (request, mask) = (loan.request, loan.mask);
    loan.thread.run_lent(&request, mask)
}
