//! What a forked child gets of its parent's memory.
//!
//! The child's VMM is a copy of its parent's, with a copy of all guest memory. What the program said
//! of its mappings (`MADV_DONTFORK`, `MADV_WIPEONFORK`) is kept in their areas, and so goes where they
//! go; the child makes it true before any of the program runs in it.

use super::space::Space;
use super::vma::{Area, Backing, Withheld};
use crate::process::Errno;
use std::ops::Range;

impl Space {
    /// Changes what children get of the mapped parts of `range`; contents can be withheld of private
    /// memory only.
    ///
    /// # Errors
    /// EINVAL at the first other mapping; those before it are changed.
    pub fn withhold(
        &self,
        range: &Range<u64>,
        change: impl Fn(&mut Withheld),
    ) -> Result<(), Errno> {
        let mut state = self.lock();
        for (part, area) in state.areas.within(range.clone()) {
            let mut withheld = area.withheld;
            change(&mut withheld);
            if withheld.contents && area.backing != Backing::Anonymous {
                return Err(Errno(libc::EINVAL));
            }
            state.areas.remove(&part);
            state.areas.insert(part, Area { withheld, ..area });
        }
        Ok(())
    }

    /// For a forked child, which has its own copy of everything: contents that were withheld are
    /// zero from here on; the result are the mappings to take away.
    #[must_use]
    pub fn inherit(&self) -> Vec<Range<u64>> {
        let state = self.lock();
        let mut gone = Vec::new();
        for (range, area) in state.areas.iter() {
            if area.withheld.mapping {
                gone.push(range);
            } else if area.withheld.contents {
                for (physical, length) in Self::pieces_where_present(&state, &range) {
                    self.physical.discard(physical, length);
                }
            }
        }
        gone
    }
}
