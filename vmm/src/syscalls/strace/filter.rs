//! Which calls the tracer prints.

use crate::syscalls::table::entry::{Entry, Kind};
use crate::syscalls::table::{all, sockets, AREAS};
use std::collections::HashSet;

/// Which calls the tracer prints.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Numbers that pass; `None` for all.
    numbers: Option<HashSet<i64>>,
}

/// A list that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No such call.
    #[error("no system call is named `{0}`: give names as in docs/syscalls.md, or %file, %desc, %network, %memory, %process, %signal")]
    UnknownCall(String),
    /// No such class.
    #[error("no class of system calls is named `{0}`: there are %file, %desc, %network, %memory, %process, %signal")]
    UnknownClass(String),
}

impl Filter {
    /// Understands a list of names and `%classes`, separated by commas; `!` in front of the list
    /// means all others; an empty list or `all` means all.
    ///
    /// # Errors
    /// A name that the table does not have.
    pub fn parse(list: &str) -> Result<Self, FilterError> {
        if list.is_empty() || list == "all" {
            return Ok(Self::default());
        }
        let (list, inverted) = match list.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (list, false),
        };
        let mut numbers = HashSet::new();
        for name in list
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            match name.strip_prefix('%') {
                Some(class) => numbers.extend(members(class)?),
                None => {
                    let entry = all().find(|entry| entry.name == name);
                    let entry = entry.ok_or_else(|| FilterError::UnknownCall(name.to_owned()))?;
                    numbers.insert(entry.number);
                }
            }
        }
        if inverted {
            numbers = all()
                .map(|e| e.number)
                .filter(|number| !numbers.contains(number))
                .collect();
        }
        Ok(Self {
            numbers: Some(numbers),
        })
    }

    /// Whether a call is printed.
    #[must_use]
    pub fn passes(&self, entry: &Entry) -> bool {
        self.numbers
            .as_ref()
            .is_none_or(|numbers| numbers.contains(&entry.number))
    }
}

fn members(class: &str) -> Result<Vec<i64>, FilterError> {
    let has = |wanted: fn(&Kind) -> bool| {
        all()
            .filter(|entry| {
                entry
                    .arguments
                    .iter()
                    .any(|argument| wanted(&argument.kind))
            })
            .map(|entry| entry.number)
            .collect()
    };
    let area = |wanted: &str| {
        AREAS
            .iter()
            .filter(|(title, _)| *title == wanted)
            .flat_map(|(_, entries)| entries.iter().map(|entry| entry.number))
            .collect()
    };
    match class {
        "file" => Ok(has(|kind| matches!(kind, Kind::Path(_)))),
        "desc" => Ok(has(|kind| {
            matches!(kind, Kind::Descriptor | Kind::Directory)
        })),
        "network" => Ok(sockets::ENTRIES.iter().map(|entry| entry.number).collect()),
        "memory" => Ok(area("Memory")),
        "process" => Ok(area("Process and scheduling")),
        "signal" => Ok(area("Signals")),
        _ => Err(FilterError::UnknownClass(format!("%{class}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscalls::table::find;

    fn passes(list: &str, number: i64) -> bool {
        let entry = find(number as u64).expect("in the table");
        Filter::parse(list).expect("a good list").passes(entry)
    }

    #[test]
    fn names_classes_and_their_opposite() {
        assert!(passes("", libc::SYS_read));
        assert!(passes("all", libc::SYS_read));
        assert!(passes("read, write", libc::SYS_write));
        assert!(!passes("read,write", libc::SYS_close));
        assert!(passes("!read", libc::SYS_close));
        assert!(!passes("!read", libc::SYS_read));
        for (class, number) in [
            ("%file", libc::SYS_openat),
            ("%desc", libc::SYS_close),
            ("%network", libc::SYS_connect),
            ("%memory", libc::SYS_mmap),
            ("%process", libc::SYS_getpid),
            ("%signal", libc::SYS_kill),
        ] {
            assert!(passes(class, number), "{class}");
            assert!(!passes(class, libc::SYS_times), "{class}");
        }
    }

    #[test]
    fn unknown_names_are_told() {
        let error = Filter::parse("raed").expect_err("no such call");
        assert_eq!(error, FilterError::UnknownCall("raed".to_owned()));
        assert!(Filter::parse("%fiel").is_err());
    }
}
