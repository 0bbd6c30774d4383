//! Paths under `/proc` that lead to the process itself.
//!
//! On the host they lead to the VMM, so they are answered here: the executable is the program, and
//! the VMM's own descriptors do not exist. Only these spellings are known; a way round through a
//! symbolic link or a directory descriptor sees the VMM's entry.

/// What such a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// The program's file.
    Executable,
    /// An open descriptor.
    Descriptor(i32),
}

/// What the path leads to, if it is one of the process's own.
#[must_use]
pub fn own(path: &[u8]) -> Option<Own> {
    if let Some(number) = path.strip_prefix(b"/dev/fd/") {
        return Some(Own::Descriptor(decimal(number)?));
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
    Some(Own::Descriptor(decimal(entry.strip_prefix(b"fd/")?)?))
}

fn decimal(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_paths_are_known() {
        assert_eq!(own(b"/proc/self/exe"), Some(Own::Executable));
        let mine = format!("/proc/{}/exe", std::process::id());
        assert_eq!(own(mine.as_bytes()), Some(Own::Executable));
        assert_eq!(own(b"/proc/self/fd/7"), Some(Own::Descriptor(7)));
        assert_eq!(own(b"/dev/fd/3"), Some(Own::Descriptor(3)));
    }

    #[test]
    fn others_are_not() {
        for path in [
            &b"/proc/1/exe"[..],
            b"/proc/self",
            b"/proc//exe",
            b"/etc/passwd",
            b"",
            b"exe",
        ] {
            assert_eq!(own(path), None);
        }
    }
}
