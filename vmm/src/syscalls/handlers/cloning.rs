//! New processes and threads.
//!
//! Arguments are read and judged here; the process itself makes the child.

use super::fcntl::is_ours;
use crate::process::clone::{CloneRequest, CLEAR_SIGHAND, NAMESPACES};
use crate::process::Errno;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::host;
use crate::syscalls::state::SIGNALS;

const CSIGNAL: u64 = 0xff;
/// First and smallest version of `struct clone_args`.
const ARGS_VER0: u64 = 64;
/// `struct clone_args` as of Linux 5.7.
const ARGS: usize = 88;
const PAGE: u64 = 4096;

const VM: u64 = libc::CLONE_VM as u64;
const VFORK: u64 = libc::CLONE_VFORK as u64;
const SIGHAND: u64 = libc::CLONE_SIGHAND as u64;
const THREAD: u64 = libc::CLONE_THREAD as u64;
const FILES: u64 = libc::CLONE_FILES as u64;
const PARENT: u64 = libc::CLONE_PARENT as u64;
const PIDFD: u64 = libc::CLONE_PIDFD as u64;
const PARENT_SETTID: u64 = libc::CLONE_PARENT_SETTID as u64;
const DETACHED: u64 = libc::CLONE_DETACHED as u64;
const UNTRACED: u64 = libc::CLONE_UNTRACED as u64;
const SYSVSEM: u64 = libc::CLONE_SYSVSEM as u64;
const IO: u64 = libc::CLONE_IO as u64;

/// What a child with memory of its own, or one that its parent waits for, may ask for. Sharing
/// handlers with another process is not offered.
const OFFERED: u64 = VM
    | VFORK
    | FILES
    | PARENT
    | PIDFD
    | PARENT_SETTID
    | NAMESPACES
    | libc::CLONE_FS as u64
    | libc::CLONE_CHILD_SETTID as u64
    | libc::CLONE_CHILD_CLEARTID as u64
    | libc::CLONE_SETTLS as u64
    | UNTRACED
    | SYSVSEM
    | IO
    | DETACHED
    | CLEAR_SIGHAND;

/// What a thread may ask for beside what makes it one.
const OF_THREADS: u64 = VM
    | SIGHAND
    | THREAD
    | PARENT_SETTID
    | libc::CLONE_FS as u64
    | FILES
    | libc::CLONE_SETTLS as u64
    | libc::CLONE_CHILD_SETTID as u64
    | libc::CLONE_CHILD_CLEARTID as u64
    | SYSVSEM
    | IO
    | UNTRACED
    | DETACHED;

/// `fork`
///
/// # Errors
/// EAGAIN, ENOMEM.
pub fn fork(call: &mut Call<'_>) -> Result<i64, Stop> {
    make(
        call,
        CloneRequest {
            exit_signal: libc::SIGCHLD,
            ..CloneRequest::default()
        },
    )
}

/// `vfork`
///
/// # Errors
/// EAGAIN, ENOMEM.
pub fn vfork(call: &mut Call<'_>) -> Result<i64, Stop> {
    make(
        call,
        CloneRequest {
            flags: VM | VFORK,
            exit_signal: libc::SIGCHLD,
            ..CloneRequest::default()
        },
    )
}

/// `clone`
///
/// # Errors
/// EINVAL, EAGAIN, ENOMEM, EFAULT, a report of a freed pointer.
pub fn clone(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [flags, stack, parent_tid, child_tid, tls, _] = call.arguments;
    let flags = flags & 0xffff_ffff;
    // Both use the same argument for their result.
    if flags & PIDFD != 0 && flags & (PARENT_SETTID | DETACHED) != 0 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    make(
        call,
        CloneRequest {
            flags: flags & !CSIGNAL,
            exit_signal: (flags & CSIGNAL) as i32,
            stack,
            parent_tid,
            child_tid,
            pidfd: parent_tid,
            tls,
        },
    )
}

/// `clone3`
///
/// # Errors
/// EINVAL, E2BIG, EAGAIN, ENOMEM, EFAULT, a report of a freed pointer.
pub fn clone3(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [at, size, ..] = call.arguments;
    if size > PAGE {
        return Err(Stop::Errno(libc::E2BIG));
    }
    if size < ARGS_VER0 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let mut bytes = vec![0; (size as usize).max(ARGS)];
    let given = bytes.get_mut(..size as usize).unwrap_or_default();
    call.read(0, at, given)?;
    if bytes.iter().skip(ARGS).any(|&byte| byte != 0) {
        return Err(Stop::Errno(libc::E2BIG));
    }
    let word = |index: usize| {
        bytes
            .get(8 * index..8 * index + 8)
            .and_then(|word| word.try_into().ok())
            .map_or(0, u64::from_le_bytes)
    };
    let [flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls] =
        std::array::from_fn(word);
    let (set_tid, set_tid_size) = (word(8), word(9));
    if exit_signal > SIGNALS as u64
        || flags & (DETACHED | CSIGNAL) != 0
        || (stack == 0) != (stack_size == 0)
        || flags & (THREAD | PARENT) != 0 && exit_signal != 0
        || set_tid != 0
        || set_tid_size != 0
    {
        return Err(Stop::Errno(libc::EINVAL));
    }
    make(
        call,
        CloneRequest {
            flags,
            exit_signal: exit_signal as i32,
            stack: stack.wrapping_add(stack_size),
            parent_tid,
            child_tid,
            pidfd,
            tls,
        },
    )
}

fn make(call: &mut Call<'_>, request: CloneRequest) -> Result<i64, Stop> {
    if request.has(SIGHAND) && !request.has(VM)
        || request.has(THREAD) && !request.has(SIGHAND)
        || request.has(CLEAR_SIGHAND) && request.has(SIGHAND)
        || request.exit_signal > SIGNALS
    {
        return Err(Stop::Errno(libc::EINVAL));
    }
    if request.has(THREAD) {
        return make_thread(call, &request);
    }
    if request.flags & !OFFERED != 0 || request.has(VM) && !request.has(VFORK) {
        return Err(Stop::Errno(libc::EINVAL));
    }
    // Two VMMs with one table of descriptors would close each other's.
    if request.has(FILES) && !request.has(VM) || is_ours(request.exit_signal) {
        return Err(Stop::Errno(libc::EINVAL));
    }
    for (flag, at) in [(PARENT_SETTID, request.parent_tid), (PIDFD, request.pidfd)] {
        if request.has(flag) {
            // Where the kernel would fail it has not made a child yet.
            let old = call.read_u32(0, at)?;
            call.write(0, at, &old.to_le_bytes())?;
        }
    }
    call.process
        .clone_process(&request)
        .map_err(|Errno(number)| Stop::Errno(number))
}

fn make_thread(call: &mut Call<'_>, request: &CloneRequest) -> Result<i64, Stop> {
    let is_tls_bad = request.has(libc::CLONE_SETTLS as u64) && !host::in_user_range(request.tls, 0);
    if is_tls_bad {
        return Err(Stop::Errno(libc::EPERM));
    }
    if request.flags & !OF_THREADS != 0 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    Ok(call.process.start_thread(request)?)
}
