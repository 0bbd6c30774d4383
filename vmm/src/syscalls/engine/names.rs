//! Paths under `/proc` and `/dev` that lead to the process itself.
//!
//! On the host they lead to the VMM: its file, and the descriptors and folders of its first thread,
//! while the program runs in a thread with its own. So the executable is the program's, the other
//! entries become those of the calling thread, and the VMM's own descriptors do not exist. Only
//! these spellings are known; a way round through a symbolic link or a directory descriptor sees the
//! host's entry.

/// What such a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// The program's file.
    Executable,
    /// An open descriptor.
    Descriptor(i32),
    /// Another entry of the calling thread: its path from the thread's folder.
    Entry(Vec<u8>),
}

/// The calling thread's folder.
const THREAD: &[u8] = b"/proc/thread-self/";
/// Entries that each thread may have of its own.
const ENTRIES: [&[u8]; 5] = [b"fd", b"fdinfo", b"cwd", b"root", b"comm"];

/// What the path leads to, if it is one of the process's own; `follows` says whether a link at its
/// end counts as what it points to.
#[must_use]
pub fn own(path: &[u8], follows: bool) -> Option<Own> {
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
