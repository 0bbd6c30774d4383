//! The host's own text about this process, taken apart.

use std::ops::Range;

/// One of the VMM's mappings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its addresses.
    pub range: Range<u64>,
    /// Whether writes to it are others' too.
    pub shared: bool,
    /// Where in the file it starts.
    pub offset: u64,
    /// Device and inode, as printed.
    pub file: String,
    /// What it is a mapping of.
    pub name: String,
}

/// The VMM's mappings, by address; none if they cannot be read.
#[must_use]
pub fn mappings() -> Vec<Line> {
    let text = std::fs::read("/proc/self/maps").unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(line)
        .collect()
}

fn line(text: &str) -> Option<Line> {
    let (range, rest) = text.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let (rights, rest) = rest.split_once(' ')?;
    let (offset, rest) = rest.split_once(' ')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let (device, rest) = rest.split_once(' ')?;
    let (inode, name) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(Line {
        range: number(start)?..number(end)?,
        shared: rights.ends_with('s'),
        offset: number(offset)?,
        file: format!("{device} {inode}"),
        name: name.trim_start().to_owned(),
    })
}

/// A file of the calling thread, as text.
#[must_use]
pub fn of_thread(name: &str) -> String {
    let bytes = std::fs::read(format!("/proc/thread-self/{name}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        let text = "7f00-8000 r-xs 0001f000 fe:00 325843                     /usr/lib/a b.so";
        let expected = Line {
            range: 0x7f00..0x8000,
            shared: true,
            offset: 0x1f000,
            file: "fe:00 325843".to_owned(),
            name: "/usr/lib/a b.so".to_owned(),
        };
        assert_eq!(line(text), Some(expected));
        let bare = line("10-20 rw-p 00000000 00:00 0").map(|line| line.name);
        assert_eq!(bare.as_deref(), Some(""));
        assert_eq!(line("10-20 rw-p"), None);
        assert_eq!(line(""), None);
        assert!(!mappings().is_empty());
    }
}
