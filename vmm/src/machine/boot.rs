//! A machine with the runtime in it, ready to load a program.
//!
//! The runtime's image and the configuration lie in a block of their own, with the first per-vCPU
//! areas; the direct map covers all guest-physical memory and grows with it. Which ring the machine runs in
//! is decided here, by running a few instructions at CPL 0.

use super::facts::{Facts, Legacy};
use super::host::{self, HostError};
use super::link::Link;
use super::processor::{Pool, Processor};
use super::segments::Ring;
use super::vcpu::{Exit, Start};
use crate::loader::interpose::Kept;
use crate::memory::physical::{MemoryError, Physical, Use};
use crate::memory::tables::Tables;
use crate::runtime;
use dangless_core::abi::area;
use dangless_core::abi::config::Config;
use dangless_core::abi::{exit, layout};
use dangless_core::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};
use dangless_core::paging::{Flags, MapError, Mapper};
use kvm_bindings::{kvm_regs, CpuId, KVM_MAX_CPUID_ENTRIES};
use kvm_ioctls::Kvm;
use std::mem::offset_of;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Which ring is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RingChoice {
    /// Ring 0 where it is native, else ring 3.
    #[default]
    Auto,
    /// Ring 0, or an error.
    Zero,
    /// Ring 3.
    Three,
}

/// Why no machine could be made.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The host cannot.
    #[error(transparent)]
    Host(#[from] HostError),
    /// No memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The page tables of the runtime could not be made.
    #[error("cannot map the runtime: {0}")]
    Map(#[from] MapError),
    /// `--ring 0` on a host that emulates it.
    #[error("ring 0 is emulated on this host ({0}); use --ring 3 or --ring auto")]
    RingZero(String),
    /// `--ring 3` on a host where ring 3 cannot leave the guest.
    #[error("ring 3 does not work on this host ({0}); use --ring 0 or --ring auto")]
    RingThree(String),
}

/// A machine: guest memory with the runtime in it. Processors are made by [`super::processor`].
///
/// All of it may be used by several threads at once: what changes is behind locks or atomic.
pub struct Machine {
    /// Guest-physical memory.
    pub physical: Arc<Physical>,
    /// Page tables.
    pub tables: Arc<Tables>,
    /// Guest-physical address of the root page table.
    pub root: GuestPhysical,
    /// The ring that program and runtime run in.
    pub ring: Ring,
    /// Whether the host shadows page tables.
    pub shadow_paging: bool,
    /// Whether the guest's time stamp counter reads as the host's.
    pub shares_counter: bool,
    pub(super) start: Start,
    config: GuestPhysical,
    /// Bytes of guest-physical memory that the direct map covers.
    direct: Mutex<u64>,
    /// Held while a table of the runtime is backed.
    backing: Mutex<()>,
    tsc_per_ms: u64,
    pub(super) pool: Mutex<Pool>,
    /// Made anew in a forked child.
    pub(super) link: Mutex<Link>,
    pub(super) features: CpuId,
    pub(super) most_processors: u32,
    /// The file that tells later starts all this, once it was wanted; `None` if it cannot be made.
    published: OnceLock<Option<OwnedFd>>,
}

fn processor_features(kvm: &Kvm) -> Result<CpuId, HostError> {
    let mut cpuid = kvm
        .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
        .map_err(HostError::call("KVM_GET_SUPPORTED_CPUID"))?;
    for leaf in cpuid.as_mut_slice() {
        if leaf.function == 7 && leaf.index == 0 {
            leaf.ebx &= !1; // FSGSBASE: GS belongs to the runtime
            leaf.edx &= !(1 << 22 | 1 << 24 | 1 << 25); // AMX: its state is not enabled
        }
    }
    Ok(cpuid)
}

impl Machine {
    /// Makes a machine with at most `memory` bytes, puts the runtime into it, and gives it its
    /// first processor. What an earlier start of the same command has found out is not tried
    /// again.
    ///
    /// # Errors
    /// When the host cannot, or not in the ring that `choice` insists on.
    pub fn new(
        choice: RingChoice,
        memory: u64,
        legacy: Option<Legacy>,
    ) -> Result<(Self, Processor), BootError> {
        let published = OnceLock::new();
        let (link, known) = match legacy {
            Some(Legacy { kvm, facts, file }) => {
                // It was never set before.
                let _ = published.set(Some(file));
                (Link::over(kvm)?, Some(facts))
            }
            None => (Link::new()?, None),
        };
        let physical = Arc::new(Physical::new(
            Arc::clone(&link.vm),
            memory.min(layout::DIRECT_MAP_SIZE),
        )?);
        let tables = Arc::new(Tables::new(Arc::clone(&physical)));
        let root = tables.frame()?;
        let blocks = physical.allocate(1, Use::Runtime)?;
        let wanted = match (&known, choice) {
            (Some(facts), _) => facts.ring,
            (None, RingChoice::Three) => Ring::Three,
            (None, _) => Ring::Zero,
        };
        let (features, most_processors) = match &known {
            Some(facts) => (facts.features.clone(), facts.most_processors),
            None => (
                processor_features(&link.kvm)?,
                u32::try_from(link.kvm.get_max_vcpus()).unwrap_or(u32::MAX),
            ),
        };
        let start = Start {
            root: root.0,
            ring: wanted,
            syscall_entry: runtime::SYSCALL_ENTRY,
        };
        let place = place_runtime(&physical, &tables, root, blocks)?;
        let mut machine = Self {
            physical,
            tables,
            root,
            ring: wanted,
            shadow_paging: false,
            shares_counter: false,
            start,
            config: place.config,
            direct: Mutex::new(0),
            backing: Mutex::new(()),
            tsc_per_ms: 0,
            pool: Mutex::new(Pool::new(place.areas)),
            features,
            most_processors,
            link: Mutex::new(link),
            published,
        };
        machine.extend_direct_map()?;
        let mut processor = machine.processor()?;
        if let Some(facts) = known {
            machine.tsc_per_ms = facts.tsc_per_ms;
            machine.shadow_paging = facts.shadow_paging;
            machine.shares_counter = facts.shares_counter;
        } else {
            machine.tsc_per_ms = processor.vcpu.tsc_per_ms();
            machine.choose_ring(choice, &mut processor)?;
            machine.shares_counter = processor.vcpu.shares_counter();
        }
        Ok((machine, processor))
    }

    /// The descriptor of a file that tells another start of this command what this one knows. It
    /// stays open for children.
    pub(super) fn publish(&self) -> Option<RawFd> {
        let published = self.published.get_or_init(|| {
            let facts = Facts {
                features: self.features.clone(),
                most_processors: self.most_processors,
                tsc_per_ms: self.tsc_per_ms,
                ring: self.ring,
                shadow_paging: self.shadow_paging,
                shares_counter: self.shares_counter,
            };
            // Without it the next start finds everything out itself.
            facts.publish().ok()
        });
        published.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// The parts of vector state that a processor has, and the bytes of all of it.
    #[must_use]
    pub fn vector_layout(&self) -> (u64, usize) {
        let leaves = self.features.as_slice();
        let of = |index: u32| {
            let leaf = |leaf: &&kvm_bindings::kvm_cpuid_entry2| {
                leaf.function == 0xd && leaf.index == index
            };
            leaves.iter().find(leaf)
        };
        let features = super::vcpu::enabled_features(&self.features);
        let mut size = 512 + 64;
        for part in (2..63).filter(|part| features >> part & 1 == 1) {
            if let Some(leaf) = of(part) {
                size = size.max((leaf.ebx.saturating_add(leaf.eax)) as usize);
            }
        }
        (features, size.min(4096))
    }

    /// Page-table editor of the machine.
    #[must_use]
    pub fn mapper(&self) -> Mapper<'_, Tables> {
        Mapper::new(&*self.tables, self.root)
    }

    /// Descriptors of KVM, which the program must not see.
    #[must_use]
    pub fn descriptors(&self) -> [RawFd; 2] {
        self.link().descriptors()
    }

    /// The descriptor of [`Self::publish`]'s file, if there is one by now.
    pub(super) fn published(&self) -> Option<RawFd> {
        self.published.get()?.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Takes every lock.
    pub(super) fn freeze(&self) -> impl Sized + '_ {
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let link = self.link();
        let direct = self.direct.lock().unwrap_or_else(PoisonError::into_inner);
        (pool, link, direct)
    }

    pub(super) fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn choose_ring(
        &mut self,
        choice: RingChoice,
        processor: &mut Processor,
    ) -> Result<(), BootError> {
        let virtualised = host::hardware_virtualisation();
        // Where nothing is virtualised the probe could only fail, after a millisecond and with a
        // line in the host's kernel log.
        let pointless = choice == RingChoice::Auto && virtualised == Some(false);
        if choice == RingChoice::Three || pointless {
            return self.enter_ring_three(virtualised, processor);
        }
        processor.vcpu.set_registers(&kvm_regs {
            rip: runtime::PROBE_ENTRY,
            rsp: processor.area.base() + area::STACK + area::STACK_SIZE,
            rflags: 2,
            ..kvm_regs::default()
        });
        let why = match processor.vcpu.run_through() {
            Exit::Port(exit::PORT_PROBE) => return Ok(()),
            Exit::NoThread => return Err(HostError::KvmThread.into()),
            Exit::Broken(why) => why,
            other => format!("{other:?}"),
        };
        if choice == RingChoice::Zero {
            return Err(BootError::RingZero(why));
        }
        self.enter_ring_three(virtualised, processor)
    }

    fn enter_ring_three(
        &mut self,
        virtualised: Option<bool>,
        processor: &mut Processor,
    ) -> Result<(), BootError> {
        self.ring = Ring::Three;
        self.start.ring = Ring::Three;
        self.shadow_paging = virtualised == Some(false);
        processor.reset(&self.start)?;
        Self::try_ring_three(processor)
    }

    /// Leaves the guest once from ring 3, through the I/O permission bitmap.
    fn try_ring_three(processor: &mut Processor) -> Result<(), BootError> {
        processor.vcpu.set_registers(&kvm_regs {
            rip: runtime::SYSCALL_ENTRY,
            rflags: 2,
            ..kvm_regs::default()
        });
        match processor.vcpu.run_through() {
            Exit::Port(exit::PORT_SYSCALL) => Ok(()),
            Exit::NoThread => Err(HostError::KvmThread.into()),
            Exit::Broken(why) => Err(BootError::RingThree(why)),
            Exit::Port(port) if port == exit::PORT_EXCEPTION + 13 => {
                let why = "its processor ignores the I/O permission bitmap of a busy task";
                Err(BootError::RingThree(why.to_owned()))
            }
            other => Err(BootError::RingThree(format!(
                "leaving it came to {other:?}"
            ))),
        }
    }

    /// Makes the direct map cover all guest-physical memory that exists by now.
    ///
    /// # Errors
    /// When there is no memory for page tables.
    pub fn extend_direct_map(&self) -> Result<(), BootError> {
        let mut direct = self.direct.lock().unwrap_or_else(PoisonError::into_inner);
        while *direct < self.physical.covered() {
            let end = self.physical.covered();
            self.mapper().map(
                GuestVirtual(layout::DIRECT_MAP + *direct),
                GuestPhysical(*direct),
                end - *direct,
                Flags::DATA,
            )?;
            *direct = end;
        }
        Ok(())
    }

    /// How many bytes of memory the guest can address.
    #[must_use]
    pub fn reach(&self) -> u64 {
        let leaves = self.features.as_slice();
        let leaf = leaves.iter().find(|leaf| leaf.function == 0x8000_0008);
        1 << leaf.map_or(36, |leaf| leaf.eax & 0xff).min(52)
    }

    /// Writes the runtime's configuration, before it runs.
    pub fn configure(&self, config: Config) {
        let config = Config {
            root: self.root.0,
            ring: u64::from(self.ring.level()),
            shadow_paging: u64::from(self.shadow_paging),
            tsc_per_ms: self.tsc_per_ms,
            ..config
        };
        if let Some(host) = self.physical.host(self.config, PAGE_SIZE) {
            // SAFETY: the page is the machine's, page-aligned, and no vCPU runs.
            unsafe { host.cast::<Config>().write(config) };
        }
    }

    /// Reads the runtime's memory, by its page tables.
    pub(super) fn read_runtime(&self, at: u64, into: &mut [u8]) -> Result<(), ()> {
        for (index, byte) in into.iter_mut().enumerate() {
            let at = GuestVirtual(at.wrapping_add(index as u64));
            let found = self.mapper().translate(at).ok_or(())?;
            if !matches!(
                self.physical.use_of(found.physical),
                Use::Runtime | Use::Granted
            ) {
                return Err(());
            }
            let host = self.physical.host(found.physical, 1).ok_or(())?;
            // SAFETY: a byte of anonymous memory inside the reservation.
            *byte = unsafe { host.read_volatile() };
        }
        Ok(())
    }

    /// Backs one 2 MiB piece of a table region of the runtime, at the page fault that wants it.
    ///
    /// # Errors
    /// When guest memory is used up.
    pub fn back_runtime_table(&self, at: u64) -> Result<(), BootError> {
        let _backing = self.backing.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been faster.
        if self.mapper().translate(GuestVirtual(at)).is_some() {
            return Ok(());
        }
        let block = self.physical.allocate(1, Use::Runtime)?;
        self.extend_direct_map()?;
        let start = GuestVirtual(at).align_down(LARGE_PAGE_SIZE);
        self.mapper()
            .map(start, block, LARGE_PAGE_SIZE, Flags::DATA)?;
        Ok(())
    }

    /// Maps `blocks` blocks of fresh memory at guest-virtual `at`, which the guest only reads.
    ///
    /// # Errors
    /// When guest memory is used up.
    pub fn map_table(&self, at: u64, blocks: u64) -> Result<GuestPhysical, BootError> {
        let start = self.physical.allocate(blocks, Use::Runtime)?;
        self.extend_direct_map()?;
        self.mapper().map(
            GuestVirtual(at),
            start,
            blocks * LARGE_PAGE_SIZE,
            Flags::READ,
        )?;
        Ok(start)
    }

    /// Copies `bytes` into such memory, where nothing refers to yet.
    pub fn write_table(&self, at: GuestPhysical, bytes: &[u8]) {
        copy_to(&self.physical, at, bytes);
    }

    /// Tells the runtime where errno lies, if it does not know yet.
    pub fn learn_errno_location(&self, at: u64) {
        self.learn(offset_of!(Config, errno_location) as u64, at);
    }

    /// Tells the runtime of the program's own allocator, if it does not know of one yet.
    pub fn learn_allocator(&self, kept: Kept) {
        self.learn(offset_of!(Config, program_free) as u64, kept.free);
        let code = offset_of!(Config, program_code) as u64;
        self.learn(code, kept.code[0]);
        self.learn(code + 8, kept.code[1]);
        self.learn(offset_of!(Config, program_malloc) as u64, kept.malloc);
    }

    fn learn(&self, field: u64, at: u64) {
        if let Some(host) = self.physical.host(self.config.add(field), 8) {
            // SAFETY: an aligned word of a page that is the machine's; other threads' processors
            // read it meanwhile, hence atomic.
            let word = unsafe { AtomicU64::from_ptr(host.cast()) };
            // Where it is known already, the first one stays.
            let _ = word.compare_exchange(0, at, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

pub(super) fn copy_to(physical: &Physical, at: GuestPhysical, bytes: &[u8]) {
    if let Some(host) = physical.host(at, bytes.len() as u64) {
        // SAFETY: the range lies in the reservation, in a block that the caller has just
        // allocated; no vCPU runs in it yet.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), host, bytes.len()) };
    }
}

/// Page tables that every machine has, from the root on.
const TABLES_AT_ONCE: u64 = 40 * PAGE_SIZE;

struct Place {
    /// Room for the areas of the first vCPUs.
    areas: Range<u64>,
    config: GuestPhysical,
}

/// Lays image and configuration into the block at `block` and maps them; the rest is for areas.
fn place_runtime(
    physical: &Physical,
    tables: &Tables,
    root: GuestPhysical,
    block: GuestPhysical,
) -> Result<Place, BootError> {
    let mapper = Mapper::new(tables, root);
    let config = block;
    let size: u64 = runtime::SEGMENTS.iter().map(|segment| segment.size).sum();
    physical.provide(block, size + area::SIZE);
    physical.provide(root, TABLES_AT_ONCE);
    let mut next = block.add(PAGE_SIZE);
    mapper.map(GuestVirtual(layout::CONFIG), config, PAGE_SIZE, Flags::DATA)?;
    for segment in runtime::SEGMENTS {
        let start = GuestVirtual(segment.address).align_down(PAGE_SIZE);
        let lead = segment.address - start.0;
        let length = (lead + segment.size).next_multiple_of(PAGE_SIZE);
        if next.add(length).0 > block.0 + LARGE_PAGE_SIZE {
            return Err(MemoryError::Exhausted {
                limit: LARGE_PAGE_SIZE,
            }
            .into());
        }
        copy_to(physical, next.add(lead), segment.bytes);
        let flags = Flags {
            write: segment.write,
            execute: segment.execute,
        };
        mapper.map(start, next, length, flags)?;
        next = next.add(length);
    }
    let end = block.add(LARGE_PAGE_SIZE).0;
    Ok(Place {
        areas: next.0.next_multiple_of(area::SIZE).min(end)..end,
        config,
    })
}
