//! Which memory of the program was ever touched: the host knows, page by page.

use super::space::{granules, Space};
use dangless_core::abi::layout;
use dangless_core::address::{GuestPhysical, LARGE_PAGE_SIZE, PAGES_PER_LARGE, PAGE_SIZE};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bits of an entry of `/proc/self/pagemap`: present in memory, or swapped out.
const TOUCHED: u64 = 3 << 62;

/// Pieces of guest memory, and where the search goes on.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Start and length of each piece.
    pub pieces: Vec<(GuestPhysical, u64)>,
    /// Address to go on from, if there is more.
    pub next: Option<u64>,
}

impl Space {
    /// Pages of mappings at or above `from` that were touched and are still there, at most `most`
    /// pieces of them. What lies in `[skip.start, skip.end)` is left out: the unused part of a stack.
    ///
    /// # Errors
    /// When the host does not say.
    pub fn touched(&self, from: u64, skip: &Range<u64>, most: usize) -> io::Result<Touched> {
        let pagemap = File::open("/proc/self/pagemap")?;
        let state = self.lock();
        let mut found = Touched::default();
        let whole = from..layout::USER_END;
        for (range, _) in state.areas.within(whole) {
            for (&number, granule) in state.granules.range(granules(&range)) {
                let piece = number * LARGE_PAGE_SIZE;
                let start = piece.max(range.start);
                let length = (piece + LARGE_PAGE_SIZE).min(range.end) - start;
                let physical = granule.block.add(start - piece);
                let Some(host) = self.physical.host(physical, length) else {
                    continue;
                };
                let mut entries = [0; (PAGES_PER_LARGE * 8) as usize];
                let entries = &mut entries[..(length / PAGE_SIZE * 8) as usize];
                pagemap.read_exact_at(entries, host as u64 / PAGE_SIZE * 8)?;
                for (page, entry) in (0..).step_by(PAGE_SIZE as usize).zip(entries.chunks(8)) {
                    let bits = entry.try_into().map_or(u64::MAX, u64::from_le_bytes);
                    let at = start + page;
                    let unused = skip.start <= at && at + PAGE_SIZE <= skip.end;
                    if bits & TOUCHED == 0 || unused {
                        continue;
                    }
                    let here = physical.add(page);
                    let last = found.pieces.last_mut();
                    if let Some((_, bytes)) = last.filter(|(at, bytes)| at.add(*bytes) == here) {
                        *bytes += PAGE_SIZE;
                    } else if found.pieces.len() == most {
                        found.next = Some(at);
                        return Ok(found);
                    } else {
                        found.pieces.push((here, PAGE_SIZE));
                    }
                }
            }
        }
        Ok(found)
    }
}
