//! Paths under `/proc` and `/dev` that lead to the process itself.
//!
//! On the host they lead to the VMM: its file, and the descriptors and folders of its first thread,
//! while the program runs in a thread with its own. So the executable is the program's, the other
//! entries become those of the calling thread, and the VMM's own descriptors do not exist. Most are
//! told by the words of a path alone; to the executable there are ways round, through symbolic links
//! and `..`, which are walked where a path ends with its name, or where it is asked for. A way round to
//! other entries sees the host's.

use super::reach;
use crate::descriptor::Room;
use crate::syscalls::call::Call;
use std::borrow::Cow;
use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What such a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// The program's file.
    Executable,
    /// An open descriptor.
    Descriptor(i32),
    /// One of the VMM's own threads: nothing.
    Absent,
    /// Another entry of the calling thread: its path from the thread's folder.
    Entry(Vec<u8>),
}

/// The calling thread's folder.
const THREAD: &[u8] = b"/proc/thread-self/";
/// Name of the link to the executable.
const EXECUTABLE: &[u8] = b"exe";
/// Most links on a path (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;
/// Entries that each thread may have of its own.
const ENTRIES: [&[u8]; 5] = [b"fd", b"fdinfo", b"cwd", b"root", b"comm"];

/// What a path leads to, if it is one of the process's own: taken from the directory that
/// `directory` is open on, the current one for `AT_FDCWD`. `follows` says whether a link at its end
/// counts as what it points to.
#[must_use]
pub fn resolve(call: &Call<'_>, directory: i32, path: &[u8], follows: bool) -> Option<Own> {
    let whole = if path.starts_with(b"/") {
        Cow::Borrowed(path)
    } else if path.is_empty() && !follows {
        // A descriptor may be open on a link itself.
        Cow::Owned(folder(call, directory)?)
    } else if may_be_own(path) {
        match folder(call, directory) {
            Some(base) => Cow::Owned([base.as_slice(), b"/", path].concat()),
            None => Cow::Borrowed(path),
        }
    } else {
        return None;
    };
    let threads = || call.process.threads();
    let told = if whole.starts_with(b"/") {
        let plain = plain(&whole, threads);
        if plain.as_deref().is_some_and(|path| is_hidden(call, path)) {
            return Some(Own::Absent);
        }
        plain.and_then(|path| own(&path, follows))
    } else {
        None
    };
    let is_named = path == EXECUTABLE || path.ends_with(b"/exe");
    let is_open = matches!(told, None | Some(Own::Entry(_)));
    if is_named && is_open && is_way_round(call, directory, path, follows) {
        return Some(Own::Executable);
    }
    told
}

/// Whether a path that does not look like it leads to the link to the process's executable, or,
/// if it `follows` links at its end, through it.
#[must_use]
pub fn is_way_round(call: &Call<'_>, directory: i32, path: &[u8], follows: bool) -> bool {
    if directory != libc::AT_FDCWD && call.visible(directory).is_err() {
        return false;
    }
    // The program's limit on descriptors is not for these.
    let _room = Room::make();
    let (mut at, mut path) = (None::<OwnedFd>, path.to_vec());
    for _ in 0..MOST_LINKS {
        let end = path
            .iter()
            .rposition(|&byte| byte == b'/')
            .map_or(0, |at| at + 1);
        let (parent, last) = path.split_at(end);
        let parent = if parent.is_empty() { b"." } else { parent };
        let from = at.as_ref().map_or(directory, AsRawFd::as_raw_fd);
        let Some(folder) = open_folder(from, parent) else {
            return false;
        };
        let number = folder.as_raw_fd();
        let Ok(whole) = std::fs::read_link(format!("/proc/thread-self/fd/{number}")) else {
            return false;
        };
        let whole = [whole.as_os_str().as_bytes(), b"/", last].concat();
        let found = plain(&whole, || call.process.threads()).and_then(|path| own(&path, follows));
        if found == Some(Own::Executable) {
            return true;
        }
        if !follows {
            return false;
        }
        let Some(target) = read_link(number, last) else {
            return false;
        };
        (at, path) = (Some(folder), target);
    }
    false
}

/// A folder, opened for no more than being a place to begin at.
fn open_folder(from: RawFd, path: &[u8]) -> Option<OwnedFd> {
    let path = CString::new(path).ok()?;
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the path is a string that outlives the call.
    let opened = unsafe { libc::openat(from, path.as_ptr(), flags) };
    // SAFETY: the descriptor is fresh and nobody else's.
    (opened >= 0).then(|| unsafe { OwnedFd::from_raw_fd(opened) })
}

/// What a link in a folder says; `None` if it is no link.
fn read_link(folder: RawFd, name: &[u8]) -> Option<Vec<u8>> {
    let name = CString::new(name).ok().filter(|name| !name.is_empty())?;
    let mut text = vec![0u8; libc::PATH_MAX as usize];
    // SAFETY: the name is a string, and the kernel writes no more than the buffer's length.
    let length =
        unsafe { libc::readlinkat(folder, name.as_ptr(), text.as_mut_ptr().cast(), text.len()) };
    text.truncate(usize::try_from(length).ok()?);
    Some(text)
}

/// Whether a plain path is about a thread of the VMM's own.
fn is_hidden(call: &Call<'_>, path: &[u8]) -> bool {
    let mut parts = path.split(|&byte| byte == b'/').skip(1);
    if parts.next() != Some(b"proc") {
        return false;
    }
    let hidden = |part: Option<&[u8]>| {
        part.and_then(decimal)
            .is_some_and(|number| reach::is_hidden(call.process, number))
    };
    hidden(parts.next()) || parts.next() == Some(b"task") && hidden(parts.next())
}

/// Whether a relative path may lead to one of the process's entries, told by its words alone.
fn may_be_own(path: &[u8]) -> bool {
    let mut parts = path.split(|&byte| byte == b'/');
    parts.any(|part| part == EXECUTABLE || ENTRIES.contains(&part) || decimal(part).is_some())
}

/// The folder of `/proc` that a descriptor is open on.
fn folder(call: &Call<'_>, directory: i32) -> Option<Vec<u8>> {
    let link = if directory == libc::AT_FDCWD {
        PathBuf::from("/proc/thread-self/cwd")
    } else {
        call.visible(directory).ok()?;
        PathBuf::from(format!("/proc/thread-self/fd/{directory}"))
    };
    let folder = std::fs::read_link(link).ok()?.into_os_string().into_vec();
    folder.starts_with(b"/proc").then_some(folder)
}

/// A path under `/proc` or `/dev` without empty words and dots, and with the process in place of
/// one of its threads where that shows the executable.
fn plain(path: &[u8], threads: impl FnOnce() -> Vec<i32>) -> Option<Vec<u8>> {
    let parts = path.split(|&byte| byte == b'/');
    let mut parts: Vec<&[u8]> = parts
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    if !matches!(parts.first(), Some(&b"proc" | &b"dev")) {
        return None;
    }
    if let [b"proc", process, b"task", _, b"exe"] = parts.as_slice() {
        parts = vec![b"proc", process, b"exe"];
    }
    if let [b"proc", process, b"exe"] = parts.as_mut_slice() {
        if decimal(process).is_some_and(|number| threads().contains(&number)) {
            *process = b"self";
        }
    }
    Some([b"/", parts.join(&b'/').as_slice()].concat())
}

/// What the path leads to, if it is one of the process's own; `follows` says whether a link at its
/// end counts as what it points to.
fn own(path: &[u8], follows: bool) -> Option<Own> {
    if let Some(rest) = path.strip_prefix(b"/dev/") {
        return device(rest, follows);
    }
    let rest = path.strip_prefix(b"/proc/")?;
    let split = rest.iter().position(|&byte| byte == b'/')?;
    let (who, entry) = (rest.get(..split)?, rest.get(split + 1..)?);
    let is_self = match who {
        b"self" | b"thread-self" => true,
        _ => decimal(who).is_some_and(|pid| u32::try_from(pid) == Ok(std::process::id())),
    };
    if !is_self {
        return None;
    }
    if entry == b"exe" {
        return Some(Own::Executable);
    }
    if let Some(number) = entry.strip_prefix(b"fd/").and_then(decimal) {
        return Some(Own::Descriptor(number));
    }
    let first = entry.split(|&byte| byte == b'/').next()?;
    ENTRIES.contains(&first).then(|| Own::Entry(entry.to_vec()))
}

/// The calling thread's path to a descriptor or another entry.
#[must_use]
pub fn in_thread(entry: &[u8]) -> Vec<u8> {
    [THREAD, entry].concat()
}

fn device(name: &[u8], follows: bool) -> Option<Own> {
    match name {
        b"stdin" if follows => Some(Own::Descriptor(0)),
        b"stdout" if follows => Some(Own::Descriptor(1)),
        b"stderr" if follows => Some(Own::Descriptor(2)),
        b"fd" if follows => Some(Own::Entry(b"fd".to_vec())),
        _ => Some(Own::Descriptor(decimal(name.strip_prefix(b"fd/")?)?)),
    }
}

fn decimal(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_paths_are_known() {
        assert_eq!(own(b"/proc/self/exe", true), Some(Own::Executable));
        let mine = format!("/proc/{}/exe", std::process::id());
        assert_eq!(own(mine.as_bytes(), false), Some(Own::Executable));
        assert_eq!(own(b"/proc/self/fd/7", false), Some(Own::Descriptor(7)));
        assert_eq!(own(b"/dev/fd/3", false), Some(Own::Descriptor(3)));
        assert_eq!(own(b"/dev/stdin", true), Some(Own::Descriptor(0)));
        assert_eq!(
            own(b"/proc/self/fd", true),
            Some(Own::Entry(b"fd".to_vec()))
        );
        assert_eq!(
            own(b"/proc/self/cwd/x", true),
            Some(Own::Entry(b"cwd/x".to_vec()))
        );
    }

    #[test]
    fn spellings_are_made_plain() {
        let threads = || vec![71, 72];
        for (path, expected) in [
            (&b"/proc//self/./exe"[..], Some(&b"/proc/self/exe"[..])),
            (b"/proc/72/exe", Some(b"/proc/self/exe")),
            (b"/proc/self/task/72/exe", Some(b"/proc/self/exe")),
            (b"/proc/73/exe", Some(b"/proc/73/exe")),
            (b"/proc/72/status", Some(b"/proc/72/status")),
            (b"/home/proc/self/exe", None),
            (b"", None),
        ] {
            assert_eq!(plain(path, threads).as_deref(), expected);
        }
        assert!(may_be_own(b"exe") && may_be_own(b"self/exe") && may_be_own(b"7"));
        assert!(!may_be_own(b"executable") && !may_be_own(b"lib/python3.11/os.py"));
    }

    #[test]
    fn others_are_not() {
        for path in [
            &b"/proc/1/exe"[..],
            b"/proc/self",
            b"/proc/self/",
            b"/proc//exe",
            b"/proc/self/status",
            b"/dev/null",
            b"/etc/passwd",
            b"",
            b"exe",
        ] {
            assert_eq!(own(path, true), None);
        }
        assert_eq!(own(b"/dev/stdin", false), None);
    }
}
