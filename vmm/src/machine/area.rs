//! The VMM's view of a per-vCPU area.
//!
//! The guest may have written anything there: what is read is copied and checked by whoever uses
//! it. The area is changed only while its vCPU is stopped, but for the words that
//! `dangless_core::abi::area` says are shared.

use crate::memory::physical::Physical;
use dangless_core::abi::area::{self, VcpuArea};
use dangless_core::abi::layout;
use dangless_core::address::GuestPhysical;
use std::sync::atomic::AtomicU64;
use std::sync::Arc;

/// The area of one vCPU.
#[derive(Clone)]
pub struct Area {
    /// `None` in tests that need no memory.
    physical: Option<Arc<Physical>>,
    at: GuestPhysical,
    base: u64,
}

impl Area {
    /// The area in guest memory at `at`, which the guest sees at `base`.
    #[must_use]
    pub fn new(physical: Arc<Physical>, at: GuestPhysical, base: u64) -> Self {
        Self {
            physical: Some(physical),
            at,
            base,
        }
    }

    /// An area outside all memory, for tests.
    #[cfg(test)]
    pub(super) fn nowhere() -> Self {
        Self {
            physical: None,
            at: GuestPhysical(0),
            base: 0,
        }
    }

    /// Where the guest sees it.
    #[must_use]
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// The number of its vCPU.
    #[must_use]
    pub const fn index(&self) -> u64 {
        (self.base - layout::VCPU_AREAS) / layout::VCPU_AREA_STRIDE
    }

    fn host(&self, offset: u64, length: u64) -> Option<*mut u8> {
        self.physical.as_ref()?.host(self.at.add(offset), length)
    }

    /// A copy of the data.
    #[must_use]
    pub fn data(&self) -> Option<VcpuArea> {
        let host = self.host(0, area::SIZE)?;
        // SAFETY: the area is inside the reservation, aligned, and plain data of integers; the
        // vCPU that writes it is stopped.
        Some(unsafe { host.cast::<VcpuArea>().read_volatile() })
    }

    /// Changes the data while the vCPU is stopped.
    pub fn update(&self, change: impl FnOnce(&mut VcpuArea)) {
        if let Some(host) = self.host(0, area::SIZE) {
            // SAFETY: as in `data`; nobody else refers to it while the vCPU is stopped.
            change(unsafe { &mut *host.cast::<VcpuArea>() });
        }
    }

    /// Reads words from `offset`; zeroes where that is outside.
    pub fn read(&self, offset: u64, into: &mut [u64]) {
        for (index, word) in into.iter_mut().enumerate() {
            let at = offset + 8 * index as u64;
            if at % 8 != 0 || at + 8 > area::SIZE {
                continue;
            }
            if let Some(host) = self.host(at, 8) {
                // SAFETY: aligned and inside the area, which is anonymous memory of the machine.
                *word = unsafe { host.cast::<u64>().read_volatile() };
            }
        }
    }

    /// A word that guest and VMM use at the same time; `None` outside the area.
    #[must_use]
    pub fn shared(&self, offset: usize) -> Option<&AtomicU64> {
        let offset = offset as u64;
        if offset % 8 != 0 || offset + 8 > area::SIZE {
            return None;
        }
        let host = self.host(offset, 8)?;
        // SAFETY: aligned and inside the area: anonymous memory that `physical` keeps alive.
        Some(unsafe { AtomicU64::from_ptr(host.cast()) })
    }
}
