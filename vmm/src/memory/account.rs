//! How much of the address space is in use, as the kernel counts it for limits, and mappings that
//! grow downwards.

use super::physical::Use;
use super::space::Space;
use super::vma::{Area, Backing};
use dangless_core::abi::layout;
use dangless_core::address::{GuestVirtual, PAGE_SIZE};
use std::ops::Range;

/// Addresses that stay free below a mapping that grows.
const GUARD: u64 = 256 * PAGE_SIZE;

/// Bytes in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// All mappings, and memory of the protected heap.
    pub all: u64,
    /// Of these, private memory that may be written, but for the stack.
    pub data: u64,
}

impl Space {
    /// What is in use; the mapping that holds `stack` is no data.
    #[must_use]
    pub fn account(&self, stack: u64) -> Account {
        let heap = self.physical.in_use(Use::Granted);
        let mut account = Account {
            all: heap,
            data: heap,
        };
        for (range, area) in self.lock().areas.iter() {
            let bytes = range.end - range.start;
            account.all += bytes;
            if is_data(area) && !range.contains(&stack) {
                account.data += bytes;
            }
        }
        account
    }

    /// Bytes of `range` that are mapped, and those of them that are data.
    #[must_use]
    pub fn account_within(&self, range: &Range<u64>) -> Account {
        let mut account = Account::default();
        for (part, area) in self.lock().areas.within(range.clone()) {
            let bytes = part.end - part.start;
            account.all += bytes;
            if is_data(area) {
                account.data += bytes;
            }
        }
        account
    }

    /// From now on the anonymous mapping that starts at `start` grows downwards when memory below
    /// it is touched.
    pub fn set_growing(&self, start: u64) {
        self.lock().growing.insert(start);
    }

    /// Lets the mapping above `at` grow down to it, to at most `limit` bytes and not near another;
    /// how far it has grown, `None` if there is no such mapping.
    #[must_use]
    pub fn grow(&self, at: u64, limit: u64) -> Option<Range<u64>> {
        let mut state = self.lock();
        let start = *state.growing.range(at..).next()?;
        let (range, area) = state.areas.find(start)?;
        let low = GuestVirtual(at).align_down(PAGE_SIZE).0;
        let fence = low.checked_sub(GUARD)?;
        if range.start != start
            || area.backing != Backing::Anonymous
            || range.end - low > limit
            || state.areas.is_occupied(&(fence..start))
            || !layout::is_application(fence, start - fence)
        {
            return None;
        }
        let more = low..start;
        self.back(&mut state, &more).ok()?;
        state.areas.insert(more.clone(), area);
        state.growing.remove(&start);
        state.growing.insert(low);
        Some(more)
    }
}

const fn is_data(area: Area) -> bool {
    matches!(area.backing, Backing::Anonymous) && area.protection & libc::PROT_WRITE != 0
}
