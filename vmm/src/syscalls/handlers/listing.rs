//! Reading directories: the VMM's own descriptors and threads are left out.

use super::paths;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::forward;
use crate::syscalls::proc::Entry;

/// Bytes before the name in `struct linux_dirent64`.
const NAME_64: usize = 19;
/// Bytes before the name in `struct linux_dirent`.
const NAME: usize = 18;
/// Offset of an entry's length in both.
const LENGTH: usize = 16;

/// `getdents`, `getdents64`
///
/// # Errors
/// As the engine.
pub fn getdents(call: &mut Call<'_>) -> Result<i64, Stop> {
    let descriptor = call.descriptor(0)?;
    let Some(folder) = paths::own_folder(call, descriptor) else {
        return forward(call);
    };
    let threads = call.process.threads();
    let name_at = if call.entry.number == libc::SYS_getdents64 {
        NAME_64
    } else {
        NAME
    };
    loop {
        let value = forward(call)?;
        let Some(length) = usize::try_from(value).ok().filter(|&length| length > 0) else {
            return Ok(value);
        };
        let at = call.argument(1);
        let mut bytes = vec![0; length];
        call.read(1, at, &mut bytes)?;
        let kept = filter(&bytes, name_at, |number| match folder {
            Entry::Threads => threads.is_empty() || threads.contains(&number),
            _ => !call.process.is_hidden(number),
        });
        // What is left may be nothing, which would say that the directory has ended.
        if !kept.is_empty() {
            call.write(1, at, &kept)?;
            return Ok(kept.len() as i64);
        }
    }
}

/// The entries whose names are no numbers, or numbers that `keep` wants.
fn filter(bytes: &[u8], name_at: usize, keep: impl Fn(i32) -> bool) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(&[low, high]) = rest.get(LENGTH..LENGTH + 2) {
        let length = usize::from(u16::from_le_bytes([low, high]));
        let Some(entry) = rest.get(..length).filter(|_| length > name_at) else {
            break;
        };
        let name = entry.get(name_at..).unwrap_or_default();
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        let number = std::str::from_utf8(name)
            .ok()
            .and_then(|name| name.parse().ok());
        if number.is_none_or(&keep) {
            kept.extend_from_slice(entry);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Vec<u8> {
        let length = (NAME_64 + name.len() + 1).next_multiple_of(8);
        let mut bytes = vec![0; length];
        bytes[LENGTH] = length as u8;
        bytes[NAME_64..NAME_64 + name.len()].copy_from_slice(name.as_bytes());
        bytes
    }

    #[test]
    fn numbers_that_are_not_wanted_go() {
        let bytes = [entry("."), entry("7"), entry("1003"), entry("12345678901")].concat();
        let expected = [entry("."), entry("7"), entry("12345678901")].concat();
        assert_eq!(filter(&bytes, NAME_64, |number| number < 1000), expected);
        assert!(filter(&entry("3"), NAME_64, |_| false).is_empty());
    }

    #[test]
    fn what_makes_no_sense_ends_the_list() {
        let mut bytes = entry("7");
        bytes[LENGTH] = 0;
        assert!(filter(&bytes, NAME_64, |_| true).is_empty());
        let mut bytes = entry("7");
        bytes[LENGTH] = 200;
        assert!(filter(&bytes, NAME_64, |_| true).is_empty());
        assert!(filter(&[1; 5], NAME_64, |_| true).is_empty());
    }
}
