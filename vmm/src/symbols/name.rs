//! Readable names of functions.

use std::borrow::Cow;

/// Longest name that is kept; debug information of a hostile program may claim longer ones.
const LONGEST: usize = 4096;

/// Most bytes that demangling may need. A C++ name can stand for one that is exponentially longer,
/// because each reference to an earlier part repeats that part.
const MOST_DEMANGLED: u64 = 1 << 20;

/// `raw` demangled if it is a C++ or Rust name, and cut to a bearable length.
pub fn readable(raw: &str) -> String {
    if raw.len() > LONGEST || expansion(raw) > MOST_DEMANGLED {
        return shortened(raw);
    }
    shortened(&addr2line::demangle_auto(Cow::Borrowed(raw), None))
}

/// An upper estimate of the demangled length of `raw`: with `n` references to spend, growth is
/// greatest when each step repeats what there is three times, and 3^(n / 3) is reached.
fn expansion(raw: &str) -> u64 {
    let references = u32::try_from(references(raw)).unwrap_or(u32::MAX);
    let growth = 3u64.saturating_pow(references.div_ceil(3));
    growth.saturating_mul(raw.len() as u64)
}

/// References to earlier parts or template arguments in a mangled name (`S_`, `S1A_`, `T_`, `T0_`),
/// or a few more.
fn references(raw: &str) -> usize {
    let mut open = false;
    let mut count = 0;
    for byte in raw.bytes() {
        match byte {
            b'S' | b'T' => open = true,
            b'_' => {
                count += usize::from(open);
                open = false;
            }
            b'0'..=b'9' | b'A'..=b'Z' => {}
            _ => open = false,
        }
    }
    count
}

fn shortened(name: &str) -> String {
    let mut end = name.len().min(LONGEST);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    // A line break or an escape sequence in a name must not reach a terminal or forge a line.
    name.get(..end)
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// A path, cut and cleaned likewise.
pub fn path(raw: &str) -> String {
    shortened(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_grow_without_bound_stay_as_they_are() {
        let mut bomb = String::from("_Z1f1AIiiES_IS0_S0_E");
        for level in 1..9 {
            bomb += &format!("S_IS{level}_S{level}_E");
        }
        assert_eq!(readable(&bomb), bomb);
        let tree =
            "_ZNSt8_Rb_treeINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt4pairIKS5_\
                    iESt10_Select1stIS8_ESt4lessIS5_ESaIS8_EE8_M_eraseEPSt13_Rb_tree_nodeIS8_E";
        assert!(readable(tree).starts_with("std::_Rb_tree<std::__cxx11::basic_string<char"));
    }

    #[test]
    fn names_become_readable() {
        assert_eq!(readable("main"), "main");
        assert_eq!(readable("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(
            readable("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE"),
            "core::fmt::Write::write_fmt"
        );
        assert_eq!(readable("_RNvC6_123foo3bar"), "123foo::bar");
        assert_eq!(readable("a\nb\u{1b}[31m"), "a?b?[31m");
        assert_eq!(readable(&"é".repeat(5000)).len(), 4096);
    }
}
