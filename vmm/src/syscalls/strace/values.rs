//! Arguments that are values, and what calls return.

use super::numbers;
use crate::process::Outcome;
use crate::syscalls::state::SIGNALS;
use crate::syscalls::table::entry::{Entry, Kind};
use crate::syscalls::table::vocabulary::Vocabulary;

/// An argument that is a value; `None` for memory.
#[must_use]
pub fn render(entry: &Entry, arguments: &[u64; 6], index: usize) -> Option<String> {
    let word = arguments.get(index).copied().unwrap_or(0);
    Some(match entry.arguments.get(index)?.kind {
        Kind::Int | Kind::Descriptor => (word as i32).to_string(),
        Kind::Directory if word as i32 == libc::AT_FDCWD => "AT_FDCWD".to_owned(),
        Kind::Directory => (word as i32).to_string(),
        Kind::Unsigned => (word as u32).to_string(),
        Kind::Long => (word as i64).to_string(),
        Kind::Size => word.to_string(),
        Kind::Address => address(word),
        Kind::Mode => octal(word as u32),
        Kind::Signal => signal(word as i32),
        Kind::Flags(vocabulary) => words(word & 0xffff_ffff, vocabulary),
        Kind::WideFlags(vocabulary) => words(word, vocabulary),
        _ => return None,
    })
}

/// An address.
#[must_use]
pub fn address(word: u64) -> String {
    if word == 0 {
        "NULL".to_owned()
    } else {
        format!("{word:#x}")
    }
}

/// A signal's name.
#[must_use]
pub fn signal(number: i32) -> String {
    match numbers::signal(number) {
        Some(name) => name.to_owned(),
        None if (32..=SIGNALS).contains(&number) => format!("SIGRT_{}", number - 32),
        None => number.to_string(),
    }
}

/// A word made of named values.
#[must_use]
pub fn words(word: u64, vocabulary: &Vocabulary) -> String {
    let mut parts = Vec::new();
    let choice = word & vocabulary.field;
    let named = vocabulary
        .choices
        .iter()
        .find(|(value, _)| value & vocabulary.field == choice);
    let mut rest = word;
    if let Some((_, name)) = named {
        parts.push((*name).to_owned());
        rest &= !vocabulary.field;
    }
    for (bits, name) in vocabulary.flags {
        if *bits != 0 && rest & bits == *bits {
            parts.push((*name).to_owned());
            rest &= !bits;
        }
    }
    if rest != 0 || parts.is_empty() {
        // A choice without a name is a number; left-over bits are hexadecimal.
        let plain = vocabulary.flags.is_empty() && vocabulary.field >= u64::from(u32::MAX);
        parts.push(match (rest, plain) {
            (0, _) => "0".to_owned(),
            (_, true) if rest < 4096 => rest.to_string(),
            _ => format!("{rest:#x}"),
        });
    }
    parts.join("|")
}

/// File permissions.
#[must_use]
pub fn octal(mode: u32) -> String {
    format!("{:0>3}", format!("0{mode:o}"))
}

/// What a call returned.
#[must_use]
pub fn result(entry: &Entry, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Value(value) if (-4095..0).contains(value) => failure(-*value as i32),
        Outcome::Value(value) => match entry.number {
            libc::SYS_mmap | libc::SYS_mremap | libc::SYS_brk => format!("{value:#x}"),
            libc::SYS_umask => octal(*value as u32),
            _ => value.to_string(),
        },
        Outcome::Exit(_)
        | Outcome::ThreadExit(_)
        | Outcome::Resumed
        | Outcome::Killed(_)
        | Outcome::ThreadKilled(_)
        | Outcome::Trapped { .. } => "?".to_owned(),
        Outcome::Revoked {
            argument,
            name,
            address,
            ..
        } => {
            format!("? (argument {argument}, {name}: freed memory at {address})")
        }
    }
}

/// An error as a result.
#[must_use]
pub fn failure(number: i32) -> String {
    let text = std::io::Error::from_raw_os_error(number).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    match numbers::errno(number) {
        Some(name) => format!("-1 {name} ({text})"),
        None => format!("-1 ERRNO_{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscalls::table::vocabulary::{ACCESS, MAP, OPEN, PROTECTION, WHENCE};

    #[test]
    fn words_are_named() {
        assert_eq!(
            words((libc::O_RDONLY | libc::O_CLOEXEC) as u64, &OPEN),
            "O_RDONLY|O_CLOEXEC"
        );
        assert_eq!(words(libc::O_RDWR as u64, &OPEN), "O_RDWR");
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        assert_eq!(words(flags, &MAP), "MAP_PRIVATE|MAP_ANONYMOUS");
        assert_eq!(words(0, &PROTECTION), "PROT_NONE");
        assert_eq!(words(3, &PROTECTION), "PROT_READ|PROT_WRITE");
        assert_eq!(words(0, &ACCESS), "F_OK");
        assert_eq!(words(4, &ACCESS), "R_OK");
        assert_eq!(words(2, &WHENCE), "SEEK_END");
        assert_eq!(words(77, &WHENCE), "77");
        assert_eq!(words(1 << 40, &MAP), "0x10000000000");
    }

    #[test]
    fn modes_and_errors() {
        assert_eq!([octal(0), octal(7), octal(0o644)], ["000", "007", "0644"]);
        assert_eq!(
            failure(libc::ENOENT),
            "-1 ENOENT (No such file or directory)"
        );
        assert_eq!(signal(libc::SIGSEGV), "SIGSEGV");
        assert_eq!(signal(34), "SIGRT_2");
    }
}
