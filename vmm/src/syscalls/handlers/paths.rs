//! Opening files and reading links, where the host would show the VMM in place of the program.

use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::names::{self, Own};
use crate::syscalls::engine::{forward, host};
use crate::syscalls::proc::{self, Entry};
use dangless_core::address::GuestVirtual;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// `open`, `openat`, `openat2`, `creat`
///
/// # Errors
/// EACCES for a process's memory file, through which the VMM could be rewritten, and for other
/// files of the process that only tell of the VMM; ENOENT for the VMM's own threads.
pub fn open(call: &mut Call<'_>) -> Result<i64, Stop> {
    let value = forward(call)?;
    admit(call, value)
}

/// Looks at what a new descriptor leads to. A file about the process is exchanged for one about the
/// program, and what the program must not have is closed again.
///
/// # Errors
/// EACCES, ENOENT.
pub fn admit(call: &mut Call<'_>, value: i64) -> Result<i64, Stop> {
    let Ok(descriptor) = u32::try_from(value) else {
        return Ok(value);
    };
    let descriptor = descriptor as i32;
    let admitted = match place(call, descriptor) {
        Place::Elsewhere => Ok(()),
        Place::Unknown => Err(Stop::Errno(libc::EACCES)),
        // Other processes' memory may hold another VMM.
        Place::Other { is_memory: true } => Err(Stop::Errno(libc::EACCES)),
        Place::Other { is_memory: false } => Ok(()),
        Place::Own(Entry::Barred(errno)) => Err(Stop::Errno(errno)),
        Place::Own(Entry::Made(file)) => exchange(call, descriptor, file),
        Place::Own(Entry::Descriptors | Entry::Threads | Entry::Plain) => Ok(()),
    };
    if let Err(stop) = admitted {
        // SAFETY: closes the descriptor that the call has just made.
        unsafe { libc::close(descriptor) };
        return Err(stop);
    }
    Ok(value)
}

/// What an open file is.
enum Place {
    /// No file of a `/proc`.
    Elsewhere,
    /// One of the process.
    Own(Entry),
    /// Another one.
    Other {
        /// Whether it is a process's memory.
        is_memory: bool,
    },
    /// One that cannot be told apart.
    Unknown,
}

/// What an open file of the program's is.
fn place(call: &Call<'_>, descriptor: i32) -> Place {
    // SAFETY: all zeroes is a valid `statfs`, and the kernel writes no more than one.
    let (result, system) = unsafe {
        let mut system = std::mem::zeroed::<libc::statfs>();
        (libc::fstatfs(descriptor, &mut system), system)
    };
    if result != 0 || system.f_type != libc::PROC_SUPER_MAGIC {
        return Place::Elsewhere;
    }
    // The calling thread may have a descriptor table of its own.
    let link = PathBuf::from(format!("/proc/thread-self/fd/{descriptor}"));
    let Ok(path) = std::fs::read_link(link) else {
        return Place::Unknown;
    };
    match proc::entry(path.as_os_str().as_bytes(), &call.process.threads()) {
        Some(entry) => Place::Own(entry),
        None => Place::Other {
            is_memory: path.file_name().is_some_and(|name| name == "mem"),
        },
    }
}

/// The folder of descriptors or threads of the process that `descriptor` is open on, if it is one.
#[must_use]
pub fn own_folder(call: &Call<'_>, descriptor: i32) -> Option<Entry> {
    match place(call, descriptor) {
        Place::Own(entry @ (Entry::Descriptors | Entry::Threads)) => Some(entry),
        _ => None,
    }
}

/// Puts a file with the program's text in the place of `descriptor`, which is open for reading.
fn exchange(call: &mut Call<'_>, descriptor: i32, file: proc::File) -> Result<(), Stop> {
    let failed = |_| Stop::Errno(libc::ENOMEM);
    // SAFETY: asks for flags; no memory is involved.
    let (status, flags) = unsafe {
        (
            libc::fcntl(descriptor, libc::F_GETFL),
            libc::fcntl(descriptor, libc::F_GETFD),
        )
    };
    if status & libc::O_PATH != 0 {
        return Ok(());
    }
    if status & libc::O_ACCMODE != libc::O_RDONLY {
        return Err(Stop::Errno(libc::EACCES));
    }
    let text = proc::text(call, file);
    // SAFETY: the name is a string; the descriptor is fresh and nobody else's.
    let mut made = unsafe {
        let made = libc::memfd_create(c"proc".as_ptr(), libc::MFD_CLOEXEC);
        if made < 0 {
            return Err(Stop::Errno(libc::EMFILE));
        }
        File::from_raw_fd(made)
    };
    made.write_all(&text).map_err(failed)?;
    // Opened once more, for reading only.
    let link = format!("/proc/thread-self/fd/{}", made.as_raw_fd());
    let read_only = File::open(link).map_err(failed)?;
    let close_on_exec = if flags & libc::FD_CLOEXEC != 0 {
        libc::O_CLOEXEC
    } else {
        0
    };
    // SAFETY: replaces the descriptor that the call has just made.
    if unsafe { libc::dup3(read_only.as_raw_fd(), descriptor, close_on_exec) } < 0 {
        return Err(Stop::Errno(libc::EMFILE));
    }
    Ok(())
}

/// `readlink`, `readlinkat`: the link to the executable leads to the program.
///
/// # Errors
/// As the engine.
pub fn readlink(call: &mut Call<'_>) -> Result<i64, Stop> {
    let first = usize::from(call.entry.number == libc::SYS_readlinkat);
    let at = call.argument(first);
    let directory = if first == 0 {
        libc::AT_FDCWD
    } else {
        call.int(0)
    };
    let is_executable = host::in_user_range(at, 1)
        && call
            .memory()
            .read_c_string(GuestVirtual(at), 64)
            .ok()
            .flatten()
            .and_then(|path| names::resolve(call, directory, path.as_bytes(), false))
            == Some(Own::Executable);
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
