//! `execve`: reading its arguments.

use crate::exec::Request;
use crate::process::Errno;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::host;
use crate::syscalls::engine::names::{self, Own};
use dangless_core::address::GuestVirtual;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

/// Longest path, NUL included.
const LONGEST_PATH: usize = 4096;
/// Longest argument or variable, NUL included (`MAX_ARG_STRLEN`).
const LONGEST_TEXT: usize = 32 << 12;
/// More pointers than the host could ever take, at the largest stack limit that it honours.
const MOST_TEXTS: usize = 1 << 20;
/// More bytes than it could take (`_STK_LIM / 4 * 3`).
const MOST_BYTES: usize = 6 << 20;

/// `AT_EXECVE_CHECK`
const CHECK: i32 = 0x10000;

/// `execve`
///
/// # Errors
/// What Linux says; EPERM where programs may not be replaced; a report of a freed pointer.
pub fn execve(call: &mut Call<'_>) -> Result<i64, Stop> {
    run(call, libc::AT_FDCWD, 0, 0)
}

/// `execveat`
///
/// # Errors
/// As [`execve`], and EBADF.
pub fn execveat(call: &mut Call<'_>) -> Result<i64, Stop> {
    let directory = match call.int(0) {
        libc::AT_FDCWD => libc::AT_FDCWD,
        _ => call.descriptor(0)?,
    };
    let flags = call.int(4);
    run(call, directory, 1, flags)
}

fn run(call: &mut Call<'_>, directory: i32, first: usize, flags: i32) -> Result<i64, Stop> {
    let path = path(call, first)?;
    let mut request = Request {
        directory,
        path: own_path(call, directory, path.clone())?,
        given: path,
        flags,
        arguments: Vec::new(),
        environment: Vec::new(),
    };
    if flags & CHECK != 0 {
        // Only asks whether the program may be run, of a kernel that knows how to answer.
        let nothing = 0u64;
        return Ok(start(&request, (&raw const nothing) as u64));
    }
    let mut left = MOST_BYTES;
    let texts = texts(call, first + 1, &mut left)
        .and_then(|arguments| Ok((arguments, texts(call, first + 2, &mut left)?)));
    (request.arguments, request.environment) = match texts {
        Ok(texts) => texts,
        // Kernels differ in whether they look at the program or at the arguments first.
        Err(Stop::Errno(libc::EFAULT)) => return Ok(start(&request, host::fence())),
        Err(stop) => return Err(stop),
    };
    let Errno(number) = call.process.replace(request);
    Err(Stop::Errno(number))
}

/// The host's own call with `list` as arguments and environment, which does not start anything.
fn start(request: &Request, list: u64) -> i64 {
    let path = request.path.as_ptr() as u64;
    let (directory, flags) = (request.directory as u64, request.flags as u64);
    host::commit(libc::SYS_execveat, [directory, path, list, list, flags, 0])
}

fn path(call: &Call<'_>, index: usize) -> Result<CString, Stop> {
    let at = GuestVirtual(call.argument(index));
    if !host::in_user_range(at.0, 1) {
        return Err(Stop::Errno(libc::EFAULT));
    }
    call.memory()
        .read_c_string(at, LONGEST_PATH)
        .map_err(|fault| Call::stop(index, fault))?
        .ok_or(Stop::Errno(libc::ENAMETOOLONG))
}

/// The path on the host: paths that lead to the process itself lead to the VMM there.
fn own_path(call: &Call<'_>, directory: i32, path: CString) -> Result<CString, Stop> {
    let bytes = match names::resolve(call, directory, path.as_bytes(), true) {
        None if !names::is_way_round(call, directory, path.as_bytes(), true) => return Ok(path),
        Some(Own::Absent) => return Err(Stop::Errno(libc::ENOENT)),
        None | Some(Own::Executable) => call.process.executable().as_os_str().as_bytes().to_vec(),
        Some(Own::Descriptor(number)) => {
            let number = call
                .visible(number)
                .map_err(|_| Stop::Errno(libc::ENOENT))?;
            names::in_thread(format!("fd/{number}").as_bytes())
        }
        Some(Own::Entry(entry)) => names::in_thread(&entry),
    };
    CString::new(bytes).map_err(|_| Stop::Errno(libc::ENOENT))
}

/// A list of strings that ends with a null pointer; a null list is an empty one.
fn texts(call: &Call<'_>, index: usize, left: &mut usize) -> Result<Vec<CString>, Stop> {
    let list = call.argument(index);
    let mut texts = Vec::new();
    if list == 0 {
        return Ok(texts);
    }
    loop {
        let at = call.read_u64(index, list.wrapping_add(8 * texts.len() as u64))?;
        if at == 0 {
            return Ok(texts);
        }
        if !host::in_user_range(at, 1) {
            return Err(Stop::Errno(libc::EFAULT));
        }
        let text = call
            .memory()
            .read_c_string(GuestVirtual(at), LONGEST_TEXT)
            .map_err(|fault| Call::stop(index, fault))?
            .ok_or(Stop::Errno(libc::E2BIG))?;
        *left = left
            .checked_sub(text.as_bytes_with_nul().len() + 8)
            .ok_or(Stop::Errno(libc::E2BIG))?;
        if texts.len() == MOST_TEXTS {
            return Err(Stop::Errno(libc::E2BIG));
        }
        texts.push(text);
    }
}
