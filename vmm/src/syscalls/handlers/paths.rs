//! Opening files and reading links, where the host would show the VMM in place of the program.

use crate::descriptor::Room;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::names::{self, Own};
use crate::syscalls::engine::{forward, host};
use crate::syscalls::proc::{self, Entry};
use dangless_core::address::GuestVirtual;
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::OnceLock;

/// `open`, `openat`, `openat2`, `creat`
///
/// # Errors
/// EACCES for a process's memory file, through which the VMM could be rewritten, and for other
/// files of the process that only tell of the VMM; ENOENT for the VMM's own threads.
pub fn open(call: &mut Call<'_>) -> Result<i64, Stop> {
    let value = forward(call)?;
    let value = admit(call, value)?;
    if let Some(descriptor) = i32::try_from(value).ok().filter(|&value| is_vmm(value)) {
        let first = usize::from(!matches!(
            call.entry.number,
            libc::SYS_open | libc::SYS_creat
        ));
        let directory = if first == 0 {
            libc::AT_FDCWD
        } else {
            call.int(0)
        };
        let path = call
            .memory()
            .read_c_string(GuestVirtual(call.argument(first)), libc::PATH_MAX as usize);
        let path = path.ok().flatten().unwrap_or_default();
        if names::is_way_round(call, directory, path.as_bytes(), true) {
            turn_to_program(call, descriptor)?;
        }
    }
    Ok(value)
}

/// Whether a descriptor is open on the VMM's own file.
fn is_vmm(descriptor: i32) -> bool {
    static VMM: OnceLock<Option<(u64, u64)>> = OnceLock::new();
    let vmm = VMM.get_or_init(|| {
        let file = std::fs::metadata("/proc/self/exe").ok()?;
        Some((file.dev(), file.ino()))
    });
    // SAFETY: all zeroes is a valid `stat`, and the kernel writes no more than one.
    let (result, file) = unsafe {
        let mut file = std::mem::zeroed::<libc::stat>();
        (libc::fstat(descriptor, &mut file), file)
    };
    result == 0
        && *vmm == Some((file.st_dev, file.st_ino))
        && file.st_mode & libc::S_IFMT == libc::S_IFREG
}

/// Puts the program's file in the place of `descriptor`, opened alike.
fn turn_to_program(call: &Call<'_>, descriptor: i32) -> Result<(), Stop> {
    let _room = Room::make();
    let program = CString::new(call.process.executable().as_os_str().as_bytes());
    let program = program.map_err(|_| Stop::Errno(libc::ENOENT))?;
    // SAFETY: the path is a string; the descriptors are those that this call has made.
    unsafe {
        let status = libc::fcntl(descriptor, libc::F_GETFL);
        let on_exec = libc::fcntl(descriptor, libc::F_GETFD) & libc::FD_CLOEXEC;
        let opened = libc::open(program.as_ptr(), status | libc::O_CLOEXEC);
        if opened < 0 {
            libc::close(descriptor);
            return Err(Stop::Errno(libc::ENOENT));
        }
        let opened = OwnedFd::from_raw_fd(opened);
        let on_exec = if on_exec != 0 { libc::O_CLOEXEC } else { 0 };
        libc::dup3(opened.as_raw_fd(), descriptor, on_exec);
    }
    Ok(())
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
    // The program's limit on descriptors is not for this.
    let _room = Room::make();
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
