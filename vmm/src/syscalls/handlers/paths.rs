//! Opening files and reading links, where the host would show the VMM in place of the program.

use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::names::{self, Own};
use crate::syscalls::engine::{checked, forward, host};
use dangless_core::address::GuestVirtual;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// `open`, `openat`, `openat2`, `creat`
///
/// # Errors
/// EACCES for a process's memory file, through which the VMM could be rewritten.
pub fn open(call: &mut Call<'_>) -> Result<i64, Stop> {
    let value = forward(call)?;
    admit(value)
}

/// Closes a new descriptor again if it is a process's memory.
///
/// # Errors
/// EACCES.
pub fn admit(descriptor: i64) -> Result<i64, Stop> {
    if descriptor < 0 || !is_memory_file(descriptor as i32) {
        return Ok(descriptor);
    }
    checked(host::commit(
        libc::SYS_close,
        [descriptor as u64, 0, 0, 0, 0, 0],
    ))?;
    Err(Stop::Errno(libc::EACCES))
}

fn is_memory_file(descriptor: i32) -> bool {
    // SAFETY: all zeroes is a valid `statfs`, and the kernel writes no more than one.
    let (result, system) = unsafe {
        let mut system = std::mem::zeroed::<libc::statfs>();
        (libc::fstatfs(descriptor, &mut system), system)
    };
    if result != 0 || system.f_type != libc::PROC_SUPER_MAGIC {
        return false;
    }
    // The calling thread may have a descriptor table of its own.
    let link = PathBuf::from(format!("/proc/thread-self/fd/{descriptor}"));
    match std::fs::read_link(link) {
        Ok(path) => path.file_name().is_some_and(|name| name == "mem"),
        // What cannot be told apart is not let in.
        Err(_) => true,
    }
}

/// `readlink`, `readlinkat`: the link to the executable leads to the program.
///
/// # Errors
/// As the engine.
pub fn readlink(call: &mut Call<'_>) -> Result<i64, Stop> {
    let first = usize::from(call.entry.number == libc::SYS_readlinkat);
    let at = call.argument(first);
    let is_executable = host::in_user_range(at, 1)
        && call
            .memory()
            .read_c_string(GuestVirtual(at), 64)
            .ok()
            .flatten()
            .is_some_and(|path| names::own(path.as_bytes(), false) == Some(Own::Executable));
    if !is_executable {
        return forward(call);
    }
    let size = usize::try_from(call.int(first + 2)).unwrap_or(0);
    if size == 0 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let program = call.process.executable().as_os_str().as_bytes();
    let program = program.get(..size).unwrap_or(program);
    call.write(first + 1, call.argument(first + 1), program)?;
    Ok(program.len() as i64)
}
