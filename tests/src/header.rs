//! The comment lines on top of a source: `// key: value`, up to the first line of another form.
//!
//! | key | where | meaning |
//! | --- | --- | --- |
//! | `expect` | bugs | kind, then `READ` or `WRITE`, then the size, the latter two where certain |
//! | `region` | bugs | `OFFSET of SIZE`: where in the object the faulty address lies |
//! | `call` | bugs | `NAME`, then the argument's number where certain: the system call that was given the pointer |
//! | `oracle` | bugs | AddressSanitizer is `blind` to this bug, or `forgetful` of where the object came from |
//! | `flags` | all | further compiler flags |
//! | `linking` | all | any of `glibc`, `pie`, `musl`, `dynamic`, `musl-dynamic`; `glibc` if absent |
//! | `args` | conformance | arguments |
//! | `env` | conformance | further environment, `NAME=VALUE` |
//! | `exit` | conformance | the exit status, 128 and the signal's number for a death by signal |
//!
//! In the code, a line with `/* FAULT */` is where the error happens, one with `/* ALLOC */` or
//! `/* FREE */` where the object was allocated or freed. A line that starts with `//` and names no
//! key is a comment.

use std::fs;
use std::path::{Path, PathBuf};

use crate::compile::Linking;
use crate::store::BuildError;

/// A marked place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Where the error happens.
    Fault,
    /// Where the object was allocated.
    Alloc,
    /// Where it was freed.
    Free,
}

impl Marker {
    const fn text(self) -> &'static str {
        match self {
            Self::Fault => "/* FAULT */",
            Self::Alloc => "/* ALLOC */",
            Self::Free => "/* FREE */",
        }
    }
}

const KEYS: [&str; 9] = [
    "expect", "region", "call", "oracle", "flags", "linking", "args", "env", "exit",
];

/// A source with its header and markers.
#[derive(Clone, Debug)]
pub struct Header {
    /// The source.
    pub path: PathBuf,
    fields: Vec<(String, String)>,
    lines: Vec<(Marker, u32)>,
}

impl Header {
    /// Reads a source.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, BuildError> {
        let text = fs::read_to_string(path).map_err(BuildError::file(path))?;
        let fields = text
            .lines()
            .map_while(|line| line.strip_prefix("//"))
            .filter_map(|line| line.split_once(':'))
            .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
            .filter(|(key, _)| KEYS.contains(&key.as_str()))
            .collect();
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            for marker in [Marker::Fault, Marker::Alloc, Marker::Free] {
                if line.contains(marker.text()) {
                    lines.push((marker, number));
                }
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            fields,
            lines,
        })
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(name, _)| name == key);
        field.map(|(_, value)| value.as_str())
    }

    /// The words of a key's value; none if it is absent.
    #[must_use]
    pub fn words(&self, key: &str) -> Vec<String> {
        let value = self.get(key).unwrap_or_default();
        value.split_whitespace().map(str::to_owned).collect()
    }

    /// The lines that carry a marker.
    #[must_use]
    pub fn marked(&self, marker: Marker) -> Vec<u32> {
        let marked = self.lines.iter().filter(|(found, _)| *found == marker);
        marked.map(|(_, line)| *line).collect()
    }

    /// The ways to link this source.
    ///
    /// # Errors
    /// When the header names a way that does not exist.
    pub fn linkings(&self) -> Result<Vec<Linking>, BuildError> {
        if self.get("linking").is_none() {
            return Ok(vec![Linking::Static]);
        }
        let words = self.words("linking");
        let known = words.iter().map(|word| {
            Linking::from_name(word).ok_or_else(|| self.malformed(format!("linking: {word}?")))
        });
        known.collect()
    }

    /// An error about this source.
    #[must_use]
    pub fn malformed(&self, problem: impl Into<String>) -> BuildError {
        BuildError::Malformed {
            path: self.path.clone(),
            problem: problem.into(),
        }
    }
}

/// The sources under a folder with one of the given extensions, in order, each with its name:
/// `heap::uaf_read_start` for `heap/uaf_read_start.c`.
///
/// # Errors
/// When a folder cannot be read.
pub fn sources(folder: &Path, extensions: &[&str]) -> Result<Vec<(String, PathBuf)>, BuildError> {
    let mut found = Vec::new();
    let mut pending = vec![(String::new(), folder.to_path_buf())];
    while let Some((prefix, folder)) = pending.pop() {
        for item in fs::read_dir(&folder).map_err(BuildError::file(&folder))? {
            let path = item.map_err(BuildError::file(&folder))?.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let name = format!("{prefix}{stem}");
            if path.is_dir() {
                pending.push((format!("{name}::"), path));
            } else if extensions
                .iter()
                .any(|known| path.extension().is_some_and(|e| e == *known))
            {
                found.push((name, path));
            }
        }
    }
    found.sort();
    Ok(found)
}
