//! Arguments that are memory.
//!
//! Nothing is printed from memory that cannot be read: the address stands in its place.

use super::structures;
use super::text::{quoted, SHOWN};
use super::values::{self, words};
use crate::memory::user::UserMemory;
use crate::process::Outcome;
use crate::syscalls::table::entry::{Block, Direction, Entry, Extent, Filled, Kind, Shape};
use crate::syscalls::table::vocabulary::MESSAGE;
use dangless_core::address::GuestVirtual;

/// Items of an array that are printed.
const ITEMS: u64 = 32;
/// Longest path.
const PATH: usize = 4096;

/// An argument that the kernel reads.
#[must_use]
pub fn before(
    memory: &dyn UserMemory,
    entry: &Entry,
    arguments: &[u64; 6],
    index: usize,
) -> String {
    let at = word(arguments, index);
    let Some(argument) = entry.arguments.get(index) else {
        return values::address(at);
    };
    match argument.kind {
        Kind::Path(_) | Kind::Text => string(memory, at),
        Kind::Memory(block) => {
            let length = extent(entry, &block, arguments).unwrap_or(0);
            match (entry.number, length) {
                (libc::SYS_epoll_ctl, _) => match read(memory, at, length) {
                    Some(bytes) => structures::event(&bytes),
                    None => values::address(at),
                },
                // Nearly every option is an `int`.
                (libc::SYS_setsockopt, 4) => render(memory, at, length, Shape::Ints),
                _ => render(memory, at, length, block.shape),
            }
        }
        Kind::Vector {
            direction: Direction::In,
            count,
        } => vector(memory, at, word(arguments, count)),
        Kind::SignalMask { .. } => render(memory, at, 8, Shape::SignalSet),
        Kind::DescriptorSet => descriptors(memory, at, word(arguments, 0) as i32),
        Kind::Pointer(shape @ (Shape::SignalSet | Shape::Message)) => render(memory, at, 56, shape),
        _ => values::address(at),
    }
}

/// An argument that the kernel filled.
#[must_use]
pub fn after(
    memory: &dyn UserMemory,
    entry: &Entry,
    arguments: &[u64; 6],
    index: usize,
    outcome: &Outcome,
) -> String {
    let at = word(arguments, index);
    let Some(argument) = entry.arguments.get(index) else {
        return values::address(at);
    };
    let value = match outcome {
        Outcome::Value(value) if *value >= 0 => *value as u64,
        _ => return values::address(at),
    };
    match argument.kind {
        Kind::Memory(block) => {
            let whole = extent(entry, &block, arguments).unwrap_or(0);
            let length = match block.filled {
                Filled::Whole => whole,
                Filled::Result => value.min(whole),
                Filled::ResultItems(size) => value.saturating_mul(u64::from(size)).min(whole),
                Filled::WhenInterrupted => return values::address(at),
            };
            match entry.number {
                // The length counts the terminator.
                libc::SYS_getcwd => render(memory, at, length.saturating_sub(1), block.shape),
                _ => render(memory, at, length, block.shape),
            }
        }
        Kind::Vector { count, .. } => filled_vector(memory, at, word(arguments, count), value),
        Kind::Sized {
            length,
            capacity,
            shape,
        } => {
            let length = read_u32(memory, word(arguments, length));
            let length = u64::from(length.unwrap_or(0)).min(capacity as u64);
            match (entry.number, length) {
                (libc::SYS_getsockopt, 4) => render(memory, at, length, Shape::Ints),
                _ => render(memory, at, length, shape),
            }
        }
        Kind::SizedLength => match read_u32(memory, at) {
            Some(length) => format!("[{length}]"),
            None => values::address(at),
        },
        Kind::Pointer(Shape::Longs) => render(memory, at, 8, Shape::Longs),
        _ => values::address(at),
    }
}

/// What follows the result: the events that `poll` found.
#[must_use]
pub fn trailer(
    memory: &dyn UserMemory,
    entry: &Entry,
    arguments: &[u64; 6],
    outcome: &Outcome,
) -> Option<String> {
    let ready = matches!(outcome, Outcome::Value(value) if *value > 0);
    if !ready || !matches!(entry.number, libc::SYS_poll | libc::SYS_ppoll) {
        return None;
    }
    let count = u64::from(word(arguments, 1) as u32).min(ITEMS);
    let bytes = read(memory, word(arguments, 0), count * 8)?;
    Some(structures::found(&bytes))
}

fn word(arguments: &[u64; 6], index: usize) -> u64 {
    arguments.get(index).copied().unwrap_or(0)
}

fn extent(entry: &Entry, block: &Block, arguments: &[u64; 6]) -> Option<u64> {
    let stated = |index: usize| {
        let narrow = entry
            .arguments
            .get(index)
            .is_some_and(|argument| argument.kind.is_narrow());
        let whole = word(arguments, index);
        if narrow {
            u64::try_from(whole as i32).ok()
        } else {
            Some(whole)
        }
    };
    match block.extent {
        Extent::Fixed(bytes) => Some(u64::from(bytes)),
        Extent::Bytes(index) => stated(index),
        Extent::Items { count, size } => stated(count)?.checked_mul(u64::from(size)),
        Extent::Inner(_) => Some(0),
    }
}

fn read(memory: &dyn UserMemory, at: u64, length: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    at.checked_add(length)?;
    memory.read(GuestVirtual(at), &mut bytes).ok()?;
    Some(bytes)
}

fn read_u32(memory: &dyn UserMemory, at: u64) -> Option<u32> {
    let bytes = read(memory, at, 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// A block of this length and shape.
fn render(memory: &dyn UserMemory, at: u64, length: u64, shape: Shape) -> String {
    if at == 0 {
        return "NULL".to_owned();
    }
    let item = structures::size(shape);
    let shown = match shape {
        Shape::Bytes => length.min(SHOWN as u64),
        Shape::Opaque => return values::address(at),
        Shape::DirectoryEntries => length.min(1 << 20),
        _ => length.min(item * ITEMS),
    };
    let Some(bytes) = read(memory, at, shown) else {
        return values::address(at);
    };
    match shape {
        Shape::Bytes => quoted(&bytes, length > shown),
        Shape::Message => message(memory, &bytes),
        Shape::DirectoryEntries => {
            let entries = structures::render(shape, &bytes, false).unwrap_or_default();
            format!("{} {entries}", values::address(at))
        }
        _ => {
            let text = structures::render(shape, &bytes, length > shown);
            text.unwrap_or_else(|| values::address(at))
        }
    }
}

fn string(memory: &dyn UserMemory, at: u64) -> String {
    if at == 0 {
        return "NULL".to_owned();
    }
    match memory.read_c_string(GuestVirtual(at), PATH) {
        Ok(Some(text)) => quoted(text.as_bytes(), false),
        Ok(None) | Err(_) => values::address(at),
    }
}

/// The buffers of a list, each with what it holds.
fn vector(memory: &dyn UserMemory, at: u64, count: u64) -> String {
    filled_vector(memory, at, count, u64::MAX)
}

/// The buffers of a list, of which the first `moved` bytes count.
fn filled_vector(memory: &dyn UserMemory, at: u64, count: u64, mut moved: u64) -> String {
    let Some(list) = read(memory, at, count.min(ITEMS).saturating_mul(16)) else {
        return values::address(at);
    };
    let mut items = Vec::new();
    for pair in list.chunks_exact(16) {
        let base = structures::u64_at(pair, 0);
        let length = structures::u64_at(pair, 8);
        let text = render(memory, base, length.min(moved), Shape::Bytes);
        moved = moved.saturating_sub(length);
        items.push(format!("{{iov_base={text}, iov_len={length}}}"));
    }
    let more = if count > ITEMS { ", ..." } else { "" };
    format!("[{}{more}]", items.join(", "))
}

fn message(memory: &dyn UserMemory, bytes: &[u8]) -> String {
    if bytes.len() < 56 {
        return "{...}".to_owned();
    }
    let name = structures::u64_at(bytes, 0);
    let name_length = structures::u64_at(bytes, 8) & 0xffff_ffff;
    let (list, count) = (structures::u64_at(bytes, 16), structures::u64_at(bytes, 24));
    let name = render(memory, name, name_length.min(128), Shape::Sockaddr);
    let vector = vector(memory, list, count);
    let control = structures::u64_at(bytes, 40);
    let flags = structures::u64_at(bytes, 48) & 0xffff_ffff;
    format!(
        "{{msg_name={name}, msg_namelen={name_length}, msg_iov={vector}, msg_iovlen={count}, \
         msg_controllen={control}, msg_flags={}}}",
        words(flags, &MESSAGE)
    )
}

fn descriptors(memory: &dyn UserMemory, at: u64, count: i32) -> String {
    if at == 0 {
        return "NULL".to_owned();
    }
    let count = u64::try_from(count).unwrap_or(0).min(1024);
    let Some(bytes) = read(memory, at, count.div_ceil(8)) else {
        return values::address(at);
    };
    let set: Vec<String> = (0..count as usize)
        .filter(|number| {
            bytes
                .get(number / 8)
                .is_some_and(|byte| byte >> (number % 8) & 1 == 1)
        })
        .map(|number| number.to_string())
        .collect();
    format!("[{}]", set.join(" "))
}
