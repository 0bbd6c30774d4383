//! Processors with their areas, and the pool of those that no thread uses.
//!
//! KVM cannot take a vCPU away, so the processor of a thread that has ended waits for the next
//! one, with its area and with whatever the runtime keeps there for it.

use super::area::Area;
use super::boot::{copy_to, BootError, Machine};
use super::host::HostError;
use super::link::hide;
use super::segments::{self, Ring};
use super::vcpu::{Start, Vcpu};
use crate::memory::physical::Use;
use crate::runtime;
use dangless_core::abi::{area, layout};
use dangless_core::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE};
use dangless_core::paging::Flags;
use kvm_ioctls::VcpuFd;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::{Arc, MutexGuard, PoisonError};

/// A vCPU and its area.
pub struct Processor {
    /// The vCPU.
    pub vcpu: Vcpu,
    /// Its area.
    pub area: Area,
    /// Whether `syscall` raises the privilege level of ring 3; not known before the first one.
    syscall_raises: Option<bool>,
}

/// Processors without a thread, and what new ones are made of.
pub struct Pool {
    idle: Vec<Processor>,
    /// Areas without a vCPU: those of the threads that a forked child does not have.
    vacant: Vec<Area>,
    /// How many areas were made.
    made: u32,
    /// Guest-physical memory for further areas.
    areas: Range<u64>,
}

impl Pool {
    /// An empty pool with room for some areas.
    #[must_use]
    pub const fn new(areas: Range<u64>) -> Self {
        Self {
            idle: Vec::new(),
            vacant: Vec::new(),
            made: 0,
            areas,
        }
    }
}

impl Processor {
    /// Segment and control registers as at the start.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn reset(&mut self, start: &Start) -> Result<(), HostError> {
        self.vcpu.reset(start, self.area.base())
    }

    /// Its number, from 0.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.area.index()
    }

    /// On hosts where `syscall` raises the privilege level of a ring-3 program, lowers it again.
    ///
    /// # Errors
    /// When KVM refuses.
    pub(super) fn lower_ring(&mut self, ring: Ring) -> Result<(), HostError> {
        if ring == Ring::Zero || self.syscall_raises == Some(false) {
            return Ok(());
        }
        let mut special = self.vcpu.special()?;
        let raised = special.cs.selector & 3 == 0;
        self.syscall_raises = Some(raised);
        if raised {
            segments::set_ring(&mut special, Ring::Three);
            self.vcpu.set_special(&special)?;
        }
        Ok(())
    }
}

impl Machine {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A processor: an idle one, or a new one.
    ///
    /// # Errors
    /// When the host allows no more, or guest memory is used up.
    pub fn processor(&self) -> Result<Processor, BootError> {
        let mut pool = self.pool();
        if let Some(mut processor) = pool.idle.pop() {
            processor.reset(&self.start)?;
            return Ok(processor);
        }
        if let Some(area) = pool.vacant.pop() {
            return Ok(self.over(area)?);
        }
        let index = pool.made;
        if index >= self.most_processors {
            return Err(HostError::Processors(self.most_processors).into());
        }
        let base = layout::VCPU_AREAS + u64::from(index) * layout::VCPU_AREA_STRIDE;
        let at = self.make_area(&mut pool, base)?;
        // The number is used up, whatever happens next.
        pool.made += 1;
        let area = Area::new(Arc::clone(&self.physical), at, base);
        area.update(|area| {
            area.this = base;
            area.index = u64::from(index);
            area.stack_top = base + area::STACK + area::STACK_SIZE;
        });
        Ok(self.over(area)?)
    }

    /// A new vCPU over an area.
    fn over(&self, area: Area) -> Result<Processor, HostError> {
        Ok(Processor {
            vcpu: self.vcpu(&area)?,
            area,
            syscall_raises: None,
        })
    }

    fn vcpu(&self, area: &Area) -> Result<Vcpu, HostError> {
        let fd = self.connect(area.index())?;
        Vcpu::new(fd, &self.features, &self.start, area.base())
    }

    /// KVM's side of the vCPU with this number, out of the program's way.
    pub(super) fn connect(&self, index: u64) -> Result<VcpuFd, HostError> {
        let link = self.link();
        let low = link
            .vm
            .create_vcpu(index)
            .map_err(HostError::call("KVM_CREATE_VCPU"))?;
        // SAFETY: the duplicate is a fresh descriptor that nobody else owns.
        unsafe {
            link.vm
                .create_vcpu_from_rawfd(hide(low.as_raw_fd(), index > 0)?)
        }
        .map_err(HostError::call("KVM_CREATE_VCPU"))
    }

    /// Forgets all vCPUs, which a forked child cannot use, and keeps the areas of all but the one
    /// at `base`.
    pub(super) fn forget_vcpus(&self, base: u64, areas: impl IntoIterator<Item = Area>) {
        let mut pool = self.pool();
        let idle = std::mem::take(&mut pool.idle);
        let idle = idle.into_iter().map(|processor| processor.area);
        let all = idle.chain(areas).filter(|area| area.base() != base);
        pool.vacant.extend(all);
    }

    /// Takes back the processor of a thread that has ended.
    pub fn retire(&self, processor: Processor) {
        self.pool().idle.push(processor);
    }

    /// Memory for an area, filled in and mapped at `base`.
    fn make_area(&self, pool: &mut Pool, base: u64) -> Result<GuestPhysical, BootError> {
        if pool.areas.end - pool.areas.start < area::SIZE {
            let block = self.physical.allocate(1, Use::Runtime)?;
            self.extend_direct_map()?;
            pool.areas = block.0..block.0 + LARGE_PAGE_SIZE;
        }
        let at = GuestPhysical(pool.areas.start);
        self.mapper()
            .map(GuestVirtual(base), at, area::SIZE, Flags::DATA)?;
        pool.areas.start += area::SIZE;
        copy_to(&self.physical, at.add(area::GDT), &segments::gdt(base));
        let idt = segments::idt(runtime::EXCEPTION_ENTRIES);
        copy_to(&self.physical, at.add(area::IDT), &idt);
        copy_to(&self.physical, at.add(area::TSS), &segments::tss(base));
        Ok(at)
    }
}
