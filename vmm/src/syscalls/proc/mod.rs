//! Files of `/proc` that tell of the process itself.
//!
//! The host's files of that name tell of the VMM. Whatever way one was opened, the descriptor is
//! exchanged for one of a file with the same kind of text about the program, made at that moment.
//!
//! | room | holds |
//! | --- | --- |
//! | [`maps`] | `maps`, `smaps`, `smaps_rollup` |
//! | [`status`] | `status`, `stat`, `statm` |
//! | [`host`] | the host's own text, taken apart |

pub mod host;
pub mod maps;
pub mod status;

use crate::process::picture::Picture;
use crate::syscalls::call::Call;
use dangless_core::address::GuestVirtual;
use std::ops::Range;

/// Most bytes of arguments or environment.
const LONGEST: u64 = 1 << 21;

/// A file about the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// Its mappings.
    Maps,
    /// Its mappings, with figures.
    Smaps,
    /// Those figures summed up.
    Rollup,
    /// Figures and masks, by name.
    Status,
    /// Figures, by place.
    Stat,
    /// Pages.
    Statm,
    /// The auxiliary vector.
    Auxv,
    /// Its arguments.
    Cmdline,
    /// Its environment.
    Environ,
}

/// What a path below the process's folder leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file to be made.
    Made(File),
    /// The folder of its descriptors, or of what is known of them.
    Descriptors,
    /// The folder of its threads.
    Threads,
    /// Something that cannot be shown; the error that it gives.
    Barred(i32),
    /// Something that the host shows rightly.
    Plain,
}

/// What `path`, which has no links in it, leads to; `threads` are those of the program, empty if
/// they are not known. `None` if it is not about this process.
#[must_use]
pub fn entry(path: &[u8], threads: &[i32]) -> Option<Entry> {
    let mut parts = path.split(|&byte| byte == b'/').skip(1);
    if parts.next()? != b"proc" {
        return None;
    }
    let own = std::process::id().to_string();
    let number = |name: &[u8]| std::str::from_utf8(name).ok()?.parse::<i32>().ok();
    let is_thread = |name: &[u8]| number(name).is_some_and(|number| threads.contains(&number));
    let process = parts.next()?;
    if process != own.as_bytes() && !is_thread(process) {
        return None;
    }
    let mut name = parts.next().unwrap_or_default();
    if name == b"task" {
        let Some(thread) = parts.next() else {
            return Some(Entry::Threads);
        };
        // A child that shares memory (`vfork`) is none of its parent's threads.
        let first = thread == own.as_bytes();
        if !threads.is_empty() && !is_thread(thread) && !first {
            return Some(Entry::Barred(libc::ENOENT));
        }
        name = parts.next().unwrap_or_default();
    }
    let rest = parts.next();
    Some(match name {
        b"maps" => Entry::Made(File::Maps),
        b"smaps" => Entry::Made(File::Smaps),
        b"smaps_rollup" => Entry::Made(File::Rollup),
        b"status" => Entry::Made(File::Status),
        b"stat" => Entry::Made(File::Stat),
        b"statm" => Entry::Made(File::Statm),
        b"auxv" => Entry::Made(File::Auxv),
        b"cmdline" => Entry::Made(File::Cmdline),
        b"environ" => Entry::Made(File::Environ),
        b"fd" | b"fdinfo" if rest.is_none() => Entry::Descriptors,
        b"mem" | b"pagemap" | b"map_files" | b"numa_maps" | b"syscall" | b"stack"
        | b"clear_refs" => Entry::Barred(libc::EACCES),
        _ => Entry::Plain,
    })
}

/// The text of a file.
#[must_use]
pub fn text(call: &mut Call<'_>, file: File) -> Vec<u8> {
    let picture = call.process.picture();
    match file {
        File::Maps => maps::maps(&picture),
        File::Smaps => maps::smaps(&picture),
        File::Rollup => maps::rollup(&picture),
        File::Status => status::status(call, &picture),
        File::Stat => status::stat(call, &picture),
        File::Statm => status::statm(&picture),
        File::Auxv => picture.origin.auxiliary,
        File::Cmdline => arguments(call, &picture),
        File::Environ => memory(call, &picture.origin.environment),
    }
}

fn memory(call: &Call<'_>, range: &Range<u64>) -> Vec<u8> {
    let length = range.end.saturating_sub(range.start).min(LONGEST);
    let mut bytes = vec![0; length as usize];
    // What the program has unmapped is empty, as on Linux.
    if call
        .memory()
        .read(GuestVirtual(range.start), &mut bytes)
        .is_err()
    {
        bytes.clear();
    }
    bytes
}

/// A program that writes a longer title over its arguments goes on into its environment.
fn arguments(call: &Call<'_>, picture: &Picture) -> Vec<u8> {
    let mut bytes = memory(call, &picture.origin.arguments);
    if bytes.last().is_some_and(|&last| last != 0) {
        bytes.extend(memory(call, &picture.origin.environment));
        if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
            bytes.truncate(end + 1);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_process_are_known() {
        let own = std::process::id();
        let find = |rest: &str| entry(format!("/proc/{own}{rest}").as_bytes(), &[7, 8]);
        assert_eq!(find("/maps"), Some(Entry::Made(File::Maps)));
        assert_eq!(find("/task/8/stat"), Some(Entry::Made(File::Stat)));
        assert_eq!(find("/task/9/stat"), Some(Entry::Barred(libc::ENOENT)));
        assert_eq!(find("/task/x"), Some(Entry::Barred(libc::ENOENT)));
        assert_eq!(find("/task"), Some(Entry::Threads));
        assert_eq!(find("/fd"), Some(Entry::Descriptors));
        assert_eq!(find("/task/7/fdinfo"), Some(Entry::Descriptors));
        assert_eq!(find("/fd/3"), Some(Entry::Plain));
        assert_eq!(find("/mem"), Some(Entry::Barred(libc::EACCES)));
        assert_eq!(find("/map_files/1-2"), Some(Entry::Barred(libc::EACCES)));
        assert_eq!(find(""), Some(Entry::Plain));
        assert_eq!(find("/limits"), Some(Entry::Plain));
        assert_eq!(
            entry(b"/proc/8/maps", &[7, 8]),
            Some(Entry::Made(File::Maps))
        );
    }

    #[test]
    fn paths_of_others_are_not() {
        for path in [
            "/proc/1/maps",
            "/proc",
            "/proc/meminfo",
            "/tmp/proc/self/maps",
            "",
            "/",
        ] {
            assert_eq!(entry(path.as_bytes(), &[7]), None, "{path}");
        }
    }
}
