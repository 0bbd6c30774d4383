//! The Linux process that the guest appears to be: what system-call handlers may ask of it.

pub mod clone;
pub mod death;
pub mod picture;

use crate::exec::Request;
use crate::memory::user::{Fault, UserMemory};
use crate::seccomp;
use crate::syscalls::state::{Action, SharedState, ThreadState};
use clone::CloneRequest;
use picture::Picture;
use std::path::Path;
use std::sync::{Arc, MutexGuard};

/// A Linux error number, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

/// How a system call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returns this value to the program (negative error numbers included).
    Value(i64),
    /// The program ends with this exit status (0 to 255).
    Exit(i32),
    /// The thread ends with this status (0 to 255), and the program if it is the last.
    ThreadExit(i32),
    /// The program goes on with registers that the call has set.
    Resumed,
    /// The program dies of this signal.
    Killed(i32),
    /// The thread dies of this signal, and the program if it is the last.
    ThreadKilled(i32),
    /// The call is not made; the thread gets SIGSYS.
    Trapped {
        /// Number of the call.
        number: u32,
        /// What the filter says of it (`si_errno`).
        data: u16,
    },
    /// A pointer argument, or memory that it leads to, is freed heap memory.
    Revoked {
        /// Name of the system call.
        call: &'static str,
        /// Number of the argument, from 1.
        argument: usize,
        /// Name of the argument.
        name: &'static str,
        /// The freed address.
        address: dangless_core::address::GuestVirtual,
        /// Whether the call would write there.
        writes: bool,
    },
}

/// Arguments of `mmap`, as the program passed them.
#[derive(Clone, Copy, Debug)]
pub struct MapRequest {
    /// Wanted address, or 0.
    pub at: u64,
    /// Bytes.
    pub length: u64,
    /// `PROT_*`
    pub protection: i32,
    /// `MAP_*`
    pub flags: i32,
    /// File, unless anonymous.
    pub descriptor: i32,
    /// Byte offset in the file.
    pub offset: u64,
}

/// What handlers may ask of the process they serve, and of the thread of it that made the call.
/// Implemented by the machine, and by a plain
/// structure in tests and fuzzers.
pub trait Process {
    /// The program's memory.
    fn memory(&self) -> &dyn UserMemory;

    /// `mmap`; the address of the mapping.
    ///
    /// # Errors
    /// As Linux: EINVAL, ENOMEM, EBADF, EACCES, EEXIST, ENODEV ...
    fn map(&mut self, request: MapRequest) -> Result<u64, Errno>;
    /// `munmap`.
    ///
    /// # Errors
    /// EINVAL.
    fn unmap(&mut self, at: u64, length: u64) -> Result<(), Errno>;
    /// `mprotect`.
    ///
    /// # Errors
    /// EINVAL, ENOMEM, EACCES.
    fn protect(&mut self, at: u64, length: u64, protection: i32) -> Result<(), Errno>;
    /// `mremap`; the address of the mapping.
    ///
    /// # Errors
    /// EINVAL, ENOMEM, EFAULT.
    fn remap(
        &mut self,
        at: u64,
        old_length: u64,
        new_length: u64,
        flags: i32,
        new_at: u64,
    ) -> Result<u64, Errno>;
    /// `brk`; the program break afterwards.
    fn set_break(&mut self, at: u64) -> u64;
    /// `madvise`.
    ///
    /// # Errors
    /// EINVAL, ENOMEM.
    fn advise(&mut self, at: u64, length: u64, advice: i32) -> Result<(), Errno>;
    /// Whether all of `[at, at + length)` is mapped (for `mincore`, `msync`, `mlock`).
    fn is_mapped(&self, at: u64, length: u64) -> bool;

    /// Makes a thread; its id.
    ///
    /// # Errors
    /// EAGAIN.
    fn start_thread(&mut self, request: &clone::CloneRequest) -> Result<i64, Errno>;

    /// `shmat` of segment `id` of `length` bytes; its address.
    ///
    /// # Errors
    /// EINVAL, ENOMEM, EACCES, EIDRM.
    fn attach_segment(&mut self, id: i32, length: u64, at: u64, flags: i32) -> Result<u64, Errno>;
    /// `shmdt`.
    ///
    /// # Errors
    /// EINVAL.
    fn detach_segment(&mut self, at: u64) -> Result<(), Errno>;
    /// Whether the host's process is the program's alone, so that what signals do to it is the
    /// program's to say.
    fn owns_process(&self) -> bool;
    /// Has the host do with a signal what the program wants.
    ///
    /// # Errors
    /// What the host says.
    fn dispose(&mut self, signal: i32, action: &Action) -> Result<(), Errno>;
    /// Takes the frame of a signal handler from the stack and goes on where it was interrupted;
    /// whether there was one.
    fn return_from_handler(&mut self) -> bool;
    /// The calling thread's stack pointer.
    fn stack_pointer(&self) -> u64;
    /// Where the calling thread goes on after the call.
    fn program_counter(&self) -> u64;

    /// What the calling thread has given up.
    fn seccomp(&self) -> &Arc<seccomp::Cell>;
    /// The other threads of the process by their ids, and what they have given up.
    fn comrades(&self) -> Vec<(i32, Arc<seccomp::Cell>)>;

    /// The FS base (`arch_prctl`).
    fn fs_base(&self) -> u64;
    /// Sets the FS base.
    fn set_fs_base(&mut self, base: u64);

    /// Makes a child process: 0 in the child, its id in the parent.
    ///
    /// # Errors
    /// EAGAIN, ENOMEM.
    fn clone_process(&mut self, request: &CloneRequest) -> Result<i64, Errno>;
    /// `execve`; comes back only if that failed.
    fn replace(&mut self, request: Request) -> Errno;

    /// Whether the descriptor is the VMM's own; the program sees EBADF.
    fn is_hidden(&self, descriptor: i32) -> bool;
    /// Absolute path of the program (`/proc/self/exe`).
    fn executable(&self) -> &Path;
    /// Ids of its threads; none if they are not known.
    fn threads(&self) -> Vec<i32>;
    /// How it was started, and its memory as it is now.
    fn picture(&self) -> Picture;
    /// State that the handlers themselves keep for the calling thread.
    fn thread_state(&mut self) -> &mut ThreadState;
    /// State that they keep for the whole process; a lock, held until it is dropped.
    fn shared_state(&self) -> MutexGuard<'_, SharedState>;
}

impl From<Fault> for Errno {
    fn from(_: Fault) -> Self {
        Self(libc::EFAULT)
    }
}
