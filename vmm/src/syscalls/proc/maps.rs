//! `maps`, `smaps` and `smaps_rollup`: the program's mappings in the kernel's words.
//!
//! Objects of the protected heap are not mappings, and not listed.

use super::host::{self, Line};
use crate::process::picture::{Behind, Mapping, Picture};
use dangless_core::address::PAGE_SIZE;
use std::fmt::Write as _;

/// A mapping, or the part of one that is one mapping on the host.
struct Part<'a> {
    start: u64,
    end: u64,
    mapping: &'a Mapping,
    shared: bool,
    offset: u64,
    file: String,
    name: String,
    /// Bytes in memory.
    resident: u64,
}

/// `maps`
#[must_use]
pub fn maps(picture: &Picture) -> Vec<u8> {
    let mut text = String::new();
    for part in parts(picture, false) {
        head(&mut text, &part);
    }
    text.into_bytes()
}

/// `smaps`
#[must_use]
pub fn smaps(picture: &Picture) -> Vec<u8> {
    let mut text = String::new();
    for part in parts(picture, true) {
        head(&mut text, &part);
        let size = part.end - part.start;
        figure(&mut text, "Size", size);
        figure(&mut text, "KernelPageSize", PAGE_SIZE);
        figure(&mut text, "MMUPageSize", PAGE_SIZE);
        figures(&mut text, &sums(&[part]));
    }
    text.into_bytes()
}

/// `smaps_rollup`
#[must_use]
pub fn rollup(picture: &Picture) -> Vec<u8> {
    let parts = parts(picture, true);
    let start = parts.first().map_or(0, |part| part.start);
    let end = parts.last().map_or(0, |part| part.end);
    let mut text = format!("{start:08x}-{end:08x} ---p 00000000 00:00 0");
    pad(&mut text, "[rollup]");
    figures(&mut text, &sums(&parts));
    text.into_bytes()
}

fn head(text: &mut String, part: &Part<'_>) {
    let right = |bit, letter| {
        if part.mapping.protection & bit != 0 {
            letter
        } else {
            '-'
        }
    };
    let start = text.len();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{:08x}-{:08x} {}{}{}{} {:08x} {}",
        part.start,
        part.end,
        right(libc::PROT_READ, 'r'),
        right(libc::PROT_WRITE, 'w'),
        right(libc::PROT_EXEC, 'x'),
        if part.shared { 's' } else { 'p' },
        part.offset,
        part.file,
    );
    let mut line = text.split_off(start);
    pad(&mut line, &part.name);
    text.push_str(&line);
}

/// Ends a line with a name in the kernel's column.
fn pad(line: &mut String, name: &str) {
    if name.is_empty() {
        line.push(' ');
    } else {
        while line.len() < 72 {
            line.push(' ');
        }
        line.push(' ');
        line.push_str(name);
    }
    line.push('\n');
}

/// Resident bytes by what they are.
#[derive(Default)]
struct Sums {
    anonymous: u64,
    file: u64,
    shared: u64,
}

fn sums(parts: &[Part<'_>]) -> Sums {
    let mut sums = Sums::default();
    for part in parts {
        match (part.mapping.behind, part.shared) {
            (Behind::Memory, _) => sums.anonymous += part.resident,
            (_, false) => sums.file += part.resident,
            (_, true) => sums.shared += part.resident,
        }
    }
    sums
}

fn figures(text: &mut String, sums: &Sums) {
    let all = sums.anonymous + sums.file + sums.shared;
    for (name, bytes) in [
        ("Rss", all),
        ("Pss", all),
        ("Shared_Clean", 0),
        ("Shared_Dirty", sums.shared),
        ("Private_Clean", sums.file),
        ("Private_Dirty", sums.anonymous),
        ("Referenced", all),
        ("Anonymous", sums.anonymous),
        ("LazyFree", 0),
        ("AnonHugePages", 0),
        ("Shared_Hugetlb", 0),
        ("Private_Hugetlb", 0),
        ("Swap", 0),
        ("SwapPss", 0),
        ("Locked", 0),
    ] {
        figure(text, name, bytes);
    }
}

fn figure(text: &mut String, name: &str, bytes: u64) {
    let label = format!("{name}:");
    let _ = writeln!(text, "{label:<16}{:8} kB", bytes / 1024);
}

fn parts(picture: &Picture, count: bool) -> Vec<Part<'_>> {
    let host = host::mappings();
    let mut parts = Vec::new();
    for mapping in &picture.mappings {
        if mapping.behind != Behind::Host {
            let resident = mapping.pieces.iter().filter(|_| count);
            parts.push(Part {
                start: mapping.range.start,
                end: mapping.range.end,
                mapping,
                shared: false,
                offset: 0,
                file: "00:00 0".to_owned(),
                name: name(picture, mapping).to_owned(),
                resident: resident.map(|&(at, length)| in_memory(at, length)).sum(),
            });
            continue;
        }
        let mut at = mapping.range.start;
        for &(start, length) in &mapping.pieces {
            add_host_parts(&mut parts, mapping, &host, (at, start, length), count);
            at += length;
        }
    }
    parts
}

/// Adds the parts of one piece of a mapping: guest address, host address, bytes.
fn add_host_parts<'a>(
    parts: &mut Vec<Part<'a>>,
    mapping: &'a Mapping,
    host: &[Line],
    (mut at, mut start, length): (u64, u64, u64),
    count: bool,
) {
    let end = start.saturating_add(length);
    while start < end {
        let after = host.partition_point(|line| line.range.start <= start);
        let found = after
            .checked_sub(1)
            .and_then(|index| host.get(index))
            .filter(|line| line.range.contains(&start));
        let stop = found.map_or(end, |line| line.range.end.min(end));
        let offset = found.map_or(0, |line| line.offset + (start - line.range.start));
        let (shared, file, name) = found.map_or((false, "00:00 0", ""), |line| {
            (line.shared, line.file.as_str(), line.name.as_str())
        });
        let resident = if count {
            in_memory(start, stop - start)
        } else {
            0
        };
        match parts.last_mut() {
            // Guest memory in several pieces is one mapping all the same.
            Some(last)
                if last.end == at
                    && std::ptr::eq(last.mapping, mapping)
                    && (last.file.as_str(), last.name.as_str()) == (file, name)
                    && last.offset + (last.end - last.start) == offset =>
            {
                last.end += stop - start;
                last.resident += resident;
            }
            _ => parts.push(Part {
                start: at,
                end: at + (stop - start),
                mapping,
                shared,
                offset,
                file: file.to_owned(),
                name: name.to_owned(),
                resident,
            }),
        }
        at += stop - start;
        start = stop;
    }
}

fn name(picture: &Picture, mapping: &Mapping) -> &'static str {
    let range = &mapping.range;
    if mapping.behind == Behind::Clock {
        "[vvar]"
    } else if range.contains(&picture.origin.vdso.start) {
        "[vdso]"
    } else if range.contains(&picture.origin.stack) {
        "[stack]"
    } else if range.start < picture.heap.end && picture.heap.start < range.end {
        "[heap]"
    } else {
        ""
    }
}

/// How many of these bytes of this process are in memory.
fn in_memory(at: u64, length: u64) -> u64 {
    let pages = length.div_ceil(PAGE_SIZE) as usize;
    let mut vector = vec![0u8; pages];
    // SAFETY: the kernel checks the range and writes one byte for each page of it.
    let result = unsafe {
        libc::mincore(
            std::ptr::with_exposed_provenance_mut(at as usize),
            length as usize,
            vector.as_mut_ptr(),
        )
    };
    if result != 0 {
        return 0;
    }
    vector.iter().filter(|&&page| page & 1 == 1).count() as u64 * PAGE_SIZE
}
