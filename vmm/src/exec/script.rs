//! The first line of a script, read as Linux's `binfmt_script` reads it.

/// How many bytes of a file Linux looks at to tell what it is.
pub const LOOKED_AT: usize = 256;

/// What a script's first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    /// The file is no script.
    Other,
    /// `#!` without a usable interpreter after it: ENOEXEC.
    Unusable,
    /// An interpreter, and the one argument that may follow it.
    Script {
        /// Path of the interpreter.
        interpreter: Vec<u8>,
        /// The rest of the line.
        argument: Option<Vec<u8>>,
    },
}

const fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Reads the first line from the start of a file: at most [`LOOKED_AT`] bytes, all of it if it is
/// shorter.
#[must_use]
pub fn first(start: &[u8]) -> First {
    let Some(rest) = start.strip_prefix(b"#!") else {
        return First::Other;
    };
    let line = match rest.iter().position(|&byte| byte == b'\n') {
        Some(end) => rest.get(..end).unwrap_or(rest),
        None => {
            // A line that goes on past what is looked at: the path must have ended before.
            let path = rest.iter().position(|&byte| !is_blank(byte));
            let ended = path.is_some_and(|path| {
                let path = rest.get(path..).unwrap_or_default();
                path.iter().any(|&byte| is_blank(byte) || byte == 0)
            });
            if start.len() >= LOOKED_AT && !ended {
                return First::Unusable;
            }
            rest
        }
    };
    // The kernel's strings end at a NUL byte.
    let line = line.split(|&byte| byte == 0).next().unwrap_or_default();
    let line = trim_end(trim_start(line));
    let end = line
        .iter()
        .position(|&byte| is_blank(byte))
        .unwrap_or(line.len());
    let (interpreter, rest) = line.split_at(end);
    if interpreter.is_empty() {
        return First::Unusable;
    }
    let argument = trim_start(rest);
    First::Script {
        interpreter: interpreter.to_vec(),
        argument: (!argument.is_empty()).then(|| argument.to_vec()),
    }
}

fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_blank(byte));
    text.get(start.unwrap_or(text.len())..).unwrap_or_default()
}

fn trim_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&byte| !is_blank(byte));
    text.get(..end.map_or(0, |last| last + 1))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(interpreter: &str, argument: Option<&str>) -> First {
        First::Script {
            interpreter: interpreter.into(),
            argument: argument.map(Into::into),
        }
    }

    #[test]
    fn interpreter_and_argument_are_found() {
        assert_eq!(first(b"#!/bin/sh\necho\n"), script("/bin/sh", None));
        assert_eq!(
            first(b"#! \t/bin/sh \t-e  x \t\n"),
            script("/bin/sh", Some("-e  x"))
        );
        assert_eq!(first(b"#!/bin/sh"), script("/bin/sh", None));
        assert_eq!(first(b"#!/bin/sh\0 -e\n"), script("/bin/sh", None));
    }

    #[test]
    fn what_is_no_script_is_told_apart() {
        assert_eq!(first(b"\x7fELF"), First::Other);
        assert_eq!(first(b"#"), First::Other);
        assert_eq!(first(b""), First::Other);
        assert_eq!(first(b"#!\n/bin/sh\n"), First::Unusable);
        assert_eq!(first(b"#!  \t "), First::Unusable);
    }

    #[test]
    fn a_path_that_is_cut_off_is_unusable_and_an_argument_is_cut() {
        let mut long = b"#!/".to_vec();
        long.resize(LOOKED_AT, b'x');
        assert_eq!(first(&long), First::Unusable);
        let mut long = b"#!/bin/sh ".to_vec();
        long.resize(LOOKED_AT, b'x');
        let rest = "x".repeat(LOOKED_AT - 10);
        assert_eq!(first(&long), script("/bin/sh", Some(&rest)));
    }
}
