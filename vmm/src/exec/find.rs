//! From a path to the file that runs: rights, and the interpreters of scripts.

use super::script::{self, First};
use super::Request;
use crate::loader::elf;
use crate::loader::file::open_program;
use crate::process::Errno;
use object::ReadCache;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// How many interpreters may follow each other.
const DEEPEST: usize = 5;

/// What runs in the end.
#[derive(Debug)]
pub enum Found {
    /// A program that the VMM can run.
    Runnable {
        /// Its file.
        file: File,
        /// Its arguments: those of the request, or what a script makes of them.
        arguments: Vec<CString>,
    },
    /// Nothing that the VMM can run; the host may.
    Foreign,
}

fn last_error() -> Errno {
    Errno(
        io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EIO),
    )
}

/// Finds the program behind a request.
///
/// # Errors
/// What `execve` says about a path that leads to nothing that may be run: ENOENT, ENOTDIR, EACCES,
/// ELOOP, ENAMETOOLONG, ENOEXEC, EBADF, EINVAL.
pub fn find(request: &Request) -> Result<Found, Errno> {
    if request.flags & !(libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno(libc::EINVAL));
    }
    let mut place = look(request.directory, &request.path, request.flags)?;
    let mut name = request.name();
    let mut arguments = request.arguments.clone();
    for _ in 0..=DEEPEST {
        let Some(file) = open(&place, request.flags)? else {
            return Ok(Found::Foreign);
        };
        let mut start = [0; script::LOOKED_AT];
        let length = read_start(&file, &mut start)?;
        match script::first(start.get(..length).unwrap_or_default()) {
            First::Unusable => return Err(Errno(libc::ENOEXEC)),
            First::Other => {
                return Ok(if is_runnable(&file) {
                    Found::Runnable { file, arguments }
                } else {
                    Found::Foreign
                });
            }
            First::Script {
                interpreter,
                argument,
            } => {
                let text = |bytes: Vec<u8>| CString::new(bytes).map_err(|_| Errno(libc::ENOEXEC));
                let interpreter = text(interpreter)?;
                let mut words = vec![interpreter.clone()];
                if let Some(argument) = argument {
                    words.push(text(argument)?);
                }
                words.push(name);
                words.extend(arguments.drain(..).skip(1));
                arguments = words;
                place = look(libc::AT_FDCWD, &interpreter, 0)?;
                name = interpreter;
            }
        }
    }
    Err(Errno(libc::ELOOP))
}

/// The file at a path, not opened for anything yet.
fn look(directory: i32, path: &CStr, flags: i32) -> Result<OwnedFd, Errno> {
    if path.is_empty() {
        if flags & libc::AT_EMPTY_PATH == 0 {
            return Err(Errno(libc::ENOENT));
        }
        // SAFETY: duplicates a descriptor; no memory is involved.
        let copy = unsafe { libc::fcntl(directory, libc::F_DUPFD_CLOEXEC, 0) };
        if copy < 0 {
            return Err(Errno(libc::EBADF));
        }
        // SAFETY: the duplicate is fresh and nobody else's.
        return Ok(unsafe { OwnedFd::from_raw_fd(copy) });
    }
    let mut how = libc::O_PATH | libc::O_CLOEXEC;
    if flags & libc::AT_SYMLINK_NOFOLLOW != 0 {
        how |= libc::O_NOFOLLOW;
    }
    // SAFETY: the path is a C string that lives for the call.
    let found = unsafe { libc::openat(directory, path.as_ptr(), how) };
    if found < 0 {
        return Err(last_error());
    }
    // SAFETY: the descriptor is fresh and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(found) })
}

/// Opens a file for reading if it may be run; `None` if it may be run but not read.
fn open(place: &OwnedFd, flags: i32) -> Result<Option<File>, Errno> {
    let link = CString::new(format!("/proc/thread-self/fd/{}", place.as_raw_fd()))
        .map_err(|_| Errno(libc::EIO))?;
    let at = File::from(place.try_clone().map_err(|error| from_io(&error))?);
    let kind = at.metadata().map_err(|error| from_io(&error))?;
    if kind.is_symlink() && flags & libc::AT_SYMLINK_NOFOLLOW != 0 {
        return Err(Errno(libc::ELOOP));
    }
    if !kind.is_file() {
        return Err(Errno(libc::EACCES));
    }
    let path = link.as_ptr();
    // SAFETY: the path is a C string that lives for the call.
    let allowed = unsafe { libc::faccessat(libc::AT_FDCWD, path, libc::X_OK, libc::AT_EACCESS) };
    if allowed != 0 {
        return Err(last_error());
    }
    match File::open(OsStr::from_bytes(link.as_bytes())) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(from_io(&error)),
    }
}

fn from_io(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(libc::EIO))
}

fn read_start(file: &File, into: &mut [u8]) -> Result<usize, Errno> {
    let mut length = 0;
    while length < into.len() {
        let rest = into.get_mut(length..).unwrap_or_default();
        match file.read_at(rest, length as u64) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(from_io(&error)),
        }
    }
    Ok(length)
}

/// Whether the VMM can run it as the host would: an image that it understands, and no rights that
/// come with the file, which only the host's kernel can grant.
fn is_runnable(file: &File) -> bool {
    // SAFETY: asks about the calling thread; no memory is involved.
    let gains_none = unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) } == 1;
    let privileged = file.metadata().map_or(true, |data| {
        data.mode() & (libc::S_ISUID | libc::S_ISGID) != 0
    });
    // SAFETY: with a size of 0 nothing is written; the name is a C string.
    let capable = unsafe {
        libc::fgetxattr(
            file.as_raw_fd(),
            c"security.capability".as_ptr(),
            std::ptr::null_mut(),
            0,
        )
    } > 0;
    if !gains_none && (privileged || capable) {
        return false;
    }
    let Ok(copy) = file.try_clone() else {
        return false;
    };
    let Ok(program) = elf::parse(&ReadCache::new(copy)) else {
        return false;
    };
    let Some(linker) = program.interpreter else {
        return true;
    };
    let linker = open_program(Path::new(OsStr::from_bytes(&linker)));
    linker.is_ok_and(|file| elf::parse(&ReadCache::new(file)).is_ok())
}
