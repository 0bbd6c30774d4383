//! Quoted bytes, cut off where strace cuts them.

use std::fmt::Write;

/// Bytes of a buffer that are printed.
pub const SHOWN: usize = 32;

/// Bytes in quotes, with C's escapes; dots follow if there is more than is shown.
#[must_use]
pub fn quoted(bytes: &[u8], more: bool) -> String {
    let mut text = String::from("\"");
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\r' => text.push_str("\\r"),
            0x0b => text.push_str("\\v"),
            0x0c => text.push_str("\\f"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => {
                // Three digits where the next byte is a digit, else no more than it takes.
                let digit = bytes.get(place + 1).is_some_and(u8::is_ascii_digit);
                // Writing to a string cannot fail.
                if digit {
                    write!(text, "\\{byte:03o}").ok();
                } else {
                    write!(text, "\\{byte:o}").ok();
                }
            }
        }
    }
    text.push('"');
    if more {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_escaped() {
        assert_eq!(quoted(b"hello\n", false), "\"hello\\n\"");
        assert_eq!(
            quoted(b"\x7fELF\x02\x01\x01", false),
            "\"\\177ELF\\2\\1\\1\""
        );
        assert_eq!(quoted(b"\x001\"", true), "\"\\0001\\\"\"...");
    }
}
