//! Leading the malloc family to the runtime: a near jump over each function's first bytes.
//!
//! The runtime is out of a near jump's reach, so each jump goes to an *island* page nearby, which
//! holds the far ones. A function that is shorter than such a jump, and not padded, gets a breakpoint
//! in its place, which the VMM answers by going on at the runtime's function. An object that is
//! loaded while the program runs is changed before the call that maps it returns, when nobody can be
//! in it.

use super::family::{Family, Replacement};
use super::original;
use crate::memory::space::Space;
use crate::memory::user::{Fault, UserMemory};
use dangless_core::abi::layout;
use dangless_core::address::{GuestVirtual, PAGE_SIZE};
use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of a far jump: `jmp [rip]` and its target, padded.
const FAR: u64 = 16;
/// Bytes of a near jump.
const NEAR: u64 = 5;
/// `int3`
const BREAKPOINT: u8 = 0xcc;
/// What compilers align functions to when they pad them.
const ALIGNMENT: u64 = 16;
/// Bytes for an allocator that is kept.
const KEPT: u64 = 2 * original::MOST as u64;
/// How far functions of one allocator may lie from each other.
const NEIGHBOURS: u64 = 32 << 10;
/// How far from an object an island may lie: a near jump's reach, less the largest of objects.
const REACH: u64 = 1 << 30;

/// Why the family could not be replaced.
#[derive(Debug, thiserror::Error)]
pub enum InterposeError {
    /// No page for the far jumps.
    #[error("no page is free nearby for the jumps to the runtime")]
    NoIsland,
    /// A symbol points nowhere.
    #[error("a symbol of the malloc family points outside the program: {0}")]
    Outside(#[from] Fault),
}

/// The pages of far jumps of one address space. They stay when the objects that jump to them go.
#[derive(Debug, Default)]
pub struct Islands {
    pages: Vec<Island>,
    /// Replaced allocators are kept callable.
    keeps: bool,
    /// Functions that a breakpoint leads to the runtime: address to target.
    breakpoints: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct Island {
    at: u64,
    used: u64,
}

/// An allocator's functions, callable although they are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its `malloc`.
    pub malloc: u64,
    /// Its `free`.
    pub free: u64,
    /// Where its functions lie.
    pub code: [u64; 2],
}

impl Islands {
    /// No islands yet; with `keeps`, replaced allocators are kept callable.
    #[must_use]
    pub fn new(keeps: bool) -> Self {
        Self {
            keeps,
            ..Self::default()
        }
    }

    /// Takes the free page at `at` for an island.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn claim(&mut self, space: &Space, at: u64) -> Result<(), InterposeError> {
        space
            .map_anonymous(
                at..at + PAGE_SIZE,
                libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
                true,
            )
            .map_err(|_| InterposeError::NoIsland)?;
        self.pages.push(Island { at, used: 0 });
        Ok(())
    }

    /// Replaces `family` in the object mapped with `bias`; its allocator, if that is kept.
    ///
    /// # Errors
    /// See [`InterposeError`]; the object is then partly changed and must not be run.
    pub fn replace(
        &mut self,
        space: &Space,
        family: &Family,
        bias: u64,
    ) -> Result<Option<Kept>, InterposeError> {
        let mut entries: Vec<Replacement> = family
            .replacements
            .iter()
            .map(|replacement| Replacement {
                address: replacement.address.wrapping_add(bias),
                ..*replacement
            })
            .collect();
        entries.sort_unstable_by_key(|entry| entry.address);
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Ok(None);
        };
        let kept = if self.keeps { KEPT } else { 0 };
        let room = FAR * entries.len() as u64 + kept;
        let mut stop = self.stops(space, &(first.address..last.address), room)?;
        let pair = family.pair.filter(|_| self.keeps);
        let kept = match pair {
            Some((malloc, free)) => {
                let mut keep = |function: u64| {
                    let at = stop;
                    stop += KEPT / 2;
                    keep(space, &entries, function.wrapping_add(bias), at)
                };
                keep(malloc)?.zip(keep(free)?)
            }
            None => None,
        };
        let mut following = entries.iter().skip(1).map(|entry| entry.address);
        for entry in &entries {
            let next = following.next().unwrap_or(u64::MAX);
            if replaced_bytes(space, entry, next)? < NEAR {
                space.write_code(GuestVirtual(entry.address), &[BREAKPOINT])?;
                self.breakpoints.insert(entry.address, entry.target);
                continue;
            }
            let mut far = [BREAKPOINT; FAR as usize];
            far[..6].copy_from_slice(&[0xff, 0x25, 0, 0, 0, 0]);
            far[6..14].copy_from_slice(&entry.target.to_le_bytes());
            space.write(GuestVirtual(stop), &far)?;
            let distance = stop.wrapping_sub(entry.address.wrapping_add(NEAR)) as i64;
            let Ok(distance) = i32::try_from(distance) else {
                return Err(Fault::Unmapped(GuestVirtual(entry.address)).into());
            };
            let mut jump = [0xe9, 0, 0, 0, 0];
            jump[1..].copy_from_slice(&distance.to_le_bytes());
            space.write_code(GuestVirtual(entry.address), &jump)?;
            stop += FAR;
        }
        let code = pair.map_or([0; 2], |(_, free)| {
            surroundings(&entries, free.wrapping_add(bias))
        });
        Ok(kept.map(|(malloc, free)| Kept { malloc, free, code }))
    }

    /// Where a breakpoint at `address` leads, if it is one of these.
    #[must_use]
    pub fn breakpoint(&self, address: u64) -> Option<u64> {
        self.breakpoints.get(&address).copied()
    }

    /// `room` bytes of an island within reach of all of `entries`.
    fn stops(
        &mut self,
        space: &Space,
        entries: &Range<u64>,
        room: u64,
    ) -> Result<u64, InterposeError> {
        let near = entries.end.saturating_sub(REACH)..entries.start.saturating_add(REACH);
        let fits = |page: &Island| near.contains(&page.at) && page.used + room <= PAGE_SIZE;
        let index = match self.pages.iter().position(fits) {
            Some(index) => index,
            None => {
                let at = free_page(space, &near, entries.start).ok_or(InterposeError::NoIsland)?;
                self.claim(space, at)?;
                self.pages.len() - 1
            }
        };
        let page = self.pages.get_mut(index).ok_or(InterposeError::NoIsland)?;
        let stop = page.at + page.used;
        page.used += room;
        Ok(stop)
    }
}

/// Where the functions lie that are near the one at `address`: compilers keep a file's together.
fn surroundings(entries: &[Replacement], address: u64) -> [u64; 2] {
    let near = |entry: &&Replacement| entry.address.abs_diff(address) <= NEIGHBOURS;
    let mut near = entries.iter().filter(near).map(|entry| entry.address);
    match (near.next(), near.next_back()) {
        (Some(first), Some(last)) => [first, last],
        _ => [0; 2],
    }
}

/// How many bytes of a function, followed by one at `next`, are replaced.
fn replaced_bytes(space: &Space, entry: &Replacement, next: u64) -> Result<u64, Fault> {
    let fits = next - entry.address >= NEAR && has_room(space, entry)?;
    Ok(if fits { NEAR } else { 1 })
}

/// Moves the beginning of the function at `address`, or of the one that it jumps to, to `at`, so
/// that it can be called when `entries`, which are sorted, are replaced. Where that cannot be done
/// there is no such function.
fn keep(
    space: &Space,
    entries: &[Replacement],
    address: u64,
    at: u64,
) -> Result<Option<u64>, InterposeError> {
    let address = original::innermost(address, |from| {
        let mut code = [0; 30];
        space.read(GuestVirtual(from), &mut code).ok()?;
        Some(code)
    });
    let Some(index) = entries.iter().position(|entry| entry.address == address) else {
        return Ok(Some(address));
    };
    let Some(entry) = entries.get(index) else {
        return Ok(None);
    };
    let next = entries
        .get(index + 1)
        .map_or(u64::MAX, |entry| entry.address);
    let replaced = replaced_bytes(space, entry, next)?;
    let mut code = vec![0; code_bytes(entry)];
    if space.read(GuestVirtual(address), &mut code).is_err() {
        return Ok(None);
    }
    let Some(moved) = original::moved(&code, entry.size, address, replaced as usize, at) else {
        return Ok(None);
    };
    space.write(GuestVirtual(at), &moved)?;
    Ok(Some(at))
}

/// How much of a function's code is looked at: all of it, within reason, and no more than its page
/// where its size is not known.
fn code_bytes(entry: &Replacement) -> usize {
    let size = match entry.size {
        0 => PAGE_SIZE - entry.address % PAGE_SIZE,
        size => size.max(32),
    };
    usize::try_from(size).map_or(original::LOOK, |size| size.min(original::LOOK))
}

/// Whether a jump fits a function, with the padding that follows it.
fn has_room(space: &Space, entry: &Replacement) -> Result<bool, Fault> {
    if entry.size == 0 || entry.size >= NEAR {
        return Ok(true);
    }
    if entry.address % ALIGNMENT + NEAR > ALIGNMENT {
        return Ok(false);
    }
    let mut code = [0; NEAR as usize];
    space.read(GuestVirtual(entry.address), &mut code)?;
    // What compilers fill up with: one-byte and longer no-operations, breakpoints.
    let rest = code.get(entry.size as usize..).unwrap_or_default();
    Ok(matches!(
        rest,
        [0x90 | 0x66 | BREAKPOINT, ..] | [0x0f, 0x1f, ..]
    ))
}

/// A free page within `near`: below `from` by preference, since `mmap` has used what lies above.
fn free_page(space: &Space, near: &Range<u64>, from: u64) -> Option<u64> {
    [near.start..from, from..near.end]
        .into_iter()
        .filter_map(|bounds| space.find_within(PAGE_SIZE, bounds))
        .find(|&at| at >= 0x1_0000 && layout::is_application(at, PAGE_SIZE))
}
