//! One virtual processor: set-up, running, registers.
//!
//! General registers travel in the shared `kvm_run` page (KVM_CAP_SYNC_REGS), so that serving a
//! system call costs one `ioctl`. Segment and control registers are fetched only where needed.

use super::host::HostError;
use super::segments::{self, Ring};
use kvm_bindings::{
    kvm_device_attr, kvm_fpu, kvm_msr_entry, kvm_regs, kvm_sregs, kvm_xcrs, kvm_xsave, CpuId, Msrs,
    KVM_INTERNAL_ERROR_EMULATION, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET,
};
use kvm_ioctls::{SyncReg, VcpuExit, VcpuFd};
use std::arch::x86_64::_rdtsc;
use std::os::fd::{AsRawFd, RawFd};

/// `_IOW(KVMIO, 0xe1, struct kvm_device_attr)`
const KVM_SET_DEVICE_ATTR: u64 = 0x4018_aee1;
const MSR_TSC: u32 = 0x10;
const MSR_STAR: u32 = 0xc000_0081;
const MSR_LSTAR: u32 = 0xc000_0082;
const MSR_SYSCALL_MASK: u32 = 0xc000_0084;

/// Why the guest stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It executed `out` on this port.
    Port(u8),
    /// A signal arrived at the VMM's thread.
    Interrupted,
    /// It touched memory that the host cannot provide (past the end of a mapped file).
    BadMemory,
    /// It executed something that the VMM does not serve: `hlt`, `in`, an unknown port.
    Refused,
    /// KVM starts a thread of its own when a machine is first entered, and may not.
    NoThread,
    /// The processor cannot go on; the text says why.
    Broken(String),
}

/// The parts of extended state that a processor has, as XCR0 counts them. The tile state needs
/// permission from the host's kernel; everything else is free.
pub(super) fn enabled_features(cpuid: &CpuId) -> u64 {
    let leaf = cpuid
        .as_slice()
        .iter()
        .find(|leaf| leaf.function == 0xd && leaf.index == 0);
    let features = leaf.map_or(3, |leaf| u64::from(leaf.eax) | u64::from(leaf.edx) << 32);
    features & !(3 << 17)
}

/// A virtual processor.
pub struct Vcpu {
    fd: VcpuFd,
}

/// What a new processor starts from.
#[derive(Clone, Copy)]
pub struct Start {
    /// Guest-physical address of the root page table.
    pub root: u64,
    /// Privilege level.
    pub ring: Ring,
    /// Where `syscall` enters.
    pub syscall_entry: u64,
}

impl Vcpu {
    /// Sets a new processor up, at the start.
    ///
    /// # Errors
    /// When KVM refuses a register.
    pub fn new(fd: VcpuFd, cpuid: &CpuId, start: &Start, area: u64) -> Result<Self, HostError> {
        let mut vcpu = Self::without_state(fd, cpuid, start)?;
        vcpu.fd
            .set_fpu(&kvm_fpu {
                fcw: 0x37f,
                mxcsr: 0x1f80,
                ..kvm_fpu::default()
            })
            .map_err(HostError::call("KVM_SET_FPU"))?;
        vcpu.reset(start, area)?;
        Ok(vcpu)
    }

    /// Sets a new processor up that gets another's state next.
    ///
    /// # Errors
    /// When KVM refuses a register.
    pub(super) fn without_state(
        fd: VcpuFd,
        cpuid: &CpuId,
        start: &Start,
    ) -> Result<Self, HostError> {
        let mut vcpu = Self { fd };
        vcpu.fd
            .set_cpuid2(cpuid)
            .map_err(HostError::call("KVM_SET_CPUID2"))?;
        let mut xcrs = kvm_xcrs {
            nr_xcrs: 1,
            ..kvm_xcrs::default()
        };
        xcrs.xcrs[0].value = enabled_features(cpuid);
        vcpu.fd
            .set_xcrs(&xcrs)
            .map_err(HostError::call("KVM_SET_XCRS"))?;
        let entries = [
            (MSR_STAR, segments::STAR),
            (MSR_LSTAR, start.syscall_entry),
            (MSR_SYSCALL_MASK, segments::SYSCALL_MASK),
        ]
        .map(|(index, data)| kvm_msr_entry {
            index,
            data,
            ..kvm_msr_entry::default()
        });
        let msrs = Msrs::from_entries(&entries).map_err(|_| HostError::Capability("MSR lists"))?;
        let set = vcpu
            .fd
            .set_msrs(&msrs)
            .map_err(HostError::call("KVM_SET_MSRS"))?;
        if set != entries.len() {
            return Err(HostError::Capability("the system-call registers"));
        }
        vcpu.share_counter();
        vcpu.fd.set_sync_valid_reg(SyncReg::Register);
        Ok(vcpu)
    }

    /// Sets segment and control registers, with the area at `area` and no FS base.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn reset(&mut self, start: &Start, area: u64) -> Result<(), HostError> {
        let mut sregs = self.special()?;
        segments::set_up(&mut sregs, area, start.root, 0, start.ring);
        self.set_special(&sregs)
    }

    /// Makes the guest's time stamp counter the host's, where KVM can (5.16 and later).
    fn share_counter(&self) {
        let offset = 0u64;
        let attribute = kvm_device_attr {
            group: KVM_VCPU_TSC_CTRL,
            attr: u64::from(KVM_VCPU_TSC_OFFSET),
            addr: std::ptr::from_ref(&offset) as u64,
            ..kvm_device_attr::default()
        };
        // SAFETY: KVM reads the attribute, and the eight bytes that it points to; both are ours.
        // Whether it worked is seen by reading the counter.
        unsafe { libc::ioctl(self.fd.as_raw_fd(), KVM_SET_DEVICE_ATTR, &attribute) };
    }

    /// Whether the guest's time stamp counter reads as the host's.
    #[must_use]
    pub fn shares_counter(&self) -> bool {
        let entry = kvm_msr_entry {
            index: MSR_TSC,
            ..kvm_msr_entry::default()
        };
        let Ok(mut list) = Msrs::from_entries(&[entry]) else {
            return false;
        };
        // SAFETY: every processor that runs this has a time stamp counter.
        let before = unsafe { _rdtsc() };
        let read = self.fd.get_msrs(&mut list).is_ok_and(|count| count == 1);
        // SAFETY: as above.
        let after = unsafe { _rdtsc() };
        let guest = list.as_slice().first().map_or(0, |entry| entry.data);
        read && (before..=after).contains(&guest)
    }

    /// Copies everything but general registers and the place of the area from `other`.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn copy_state(&mut self, other: &Self, fs_base: u64) -> Result<(), HostError> {
        self.set_extended(&other.extended()?)?;
        let mut special = self.special()?;
        special.fs.base = fs_base;
        self.set_special(&special)
    }

    /// Makes the processor forget every translation.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn flush(&mut self) -> Result<(), HostError> {
        // KVM flushes when paging is set up anew, which it does when CR4 changes. No page of the
        // guest is global, so PGE means nothing else.
        let mut special = self.special()?;
        special.cr4 ^= 1 << 7;
        self.set_special(&special)
    }

    /// KVM's descriptor of it.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Time stamp counter ticks in a millisecond.
    #[must_use]
    pub fn tsc_per_ms(&self) -> u64 {
        self.fd.get_tsc_khz().map_or(2_000_000, u64::from)
    }

    /// The general registers, as of the last exit.
    #[must_use]
    pub fn registers(&self) -> kvm_regs {
        self.fd.sync_regs().regs
    }

    /// Sets the general registers for the next run.
    pub fn set_registers(&mut self, registers: &kvm_regs) {
        self.fd.sync_regs_mut().regs = *registers;
        self.fd.set_sync_dirty_reg(SyncReg::Register);
    }

    /// Sets RAX for the next run and leaves the others.
    pub fn set_rax(&mut self, value: u64) {
        self.fd.sync_regs_mut().regs.rax = value;
        self.fd.set_sync_dirty_reg(SyncReg::Register);
    }

    /// Returns from the `syscall` instruction with `value` in RAX.
    pub fn return_from_syscall(&mut self, value: u64) {
        let registers = &mut self.fd.sync_regs_mut().regs;
        registers.rax = value;
        registers.rip = registers.rcx;
        registers.rflags = registers.r11 | 2;
        self.fd.set_sync_dirty_reg(SyncReg::Register);
    }

    /// Segment and control registers.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn special(&self) -> Result<kvm_sregs, HostError> {
        self.fd
            .get_sregs()
            .map_err(HostError::call("KVM_GET_SREGS"))
    }

    /// Sets segment and control registers.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn set_special(&self, sregs: &kvm_sregs) -> Result<(), HostError> {
        self.fd
            .set_sregs(sregs)
            .map_err(HostError::call("KVM_SET_SREGS"))
    }

    /// The byte that makes the vCPU leave the guest while it is not 0.
    pub fn immediate_exit(&mut self) -> *mut u8 {
        &raw mut self.fd.get_kvm_run().immediate_exit
    }

    /// Floating-point and vector registers.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn extended(&self) -> Result<kvm_xsave, HostError> {
        self.fd
            .get_xsave()
            .map_err(HostError::call("KVM_GET_XSAVE"))
    }

    /// Sets floating-point and vector registers.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn set_extended(&self, extended: &kvm_xsave) -> Result<(), HostError> {
        // SAFETY: no dynamic feature (AMX) is enabled, so all of the state fits the structure.
        unsafe { self.fd.set_xsave(extended) }.map_err(HostError::call("KVM_SET_XSAVE"))
    }

    /// Runs the guest until it stops. One request to leave is taken back then.
    ///
    /// An interruption is not told while an exception is on its way to the guest: whoever moved the
    /// instruction pointer then would get an exception that is another instruction's. The guest
    /// takes it first and leaves, and the interruption is told at the next entry.
    pub fn run(&mut self) -> Exit {
        let mut interrupted = false;
        loop {
            let exit = self.run_once();
            if exit != Exit::Interrupted {
                if interrupted {
                    self.fd.set_kvm_immediate_exit(1);
                }
                return exit;
            }
            self.fd.set_kvm_immediate_exit(0);
            match self.fd.get_vcpu_events() {
                Ok(events) if events.exception.injected != 0 => interrupted = true,
                Ok(_) => return exit,
                Err(error) => return Exit::Broken(format!("KVM_GET_VCPU_EVENTS failed: {error}")),
            }
        }
    }

    /// As [`Self::run`], until the guest leaves for a reason of its own: a signal, or a request to leave,
    /// does not end it. For what is over soon and lets nobody wait.
    pub fn run_through(&mut self) -> Exit {
        loop {
            match self.run() {
                Exit::Interrupted => {}
                exit => return exit,
            }
        }
    }

    fn run_once(&mut self) -> Exit {
        match self.fd.run() {
            Ok(VcpuExit::IoOut(port, _)) => match u8::try_from(port) {
                Ok(port) => Exit::Port(port),
                Err(_) => Exit::Refused,
            },
            Ok(
                VcpuExit::IoIn(..)
                | VcpuExit::Hlt
                | VcpuExit::Hypercall(_)
                | VcpuExit::X86Rdmsr(_)
                | VcpuExit::X86Wrmsr(_),
            ) => Exit::Refused,
            Ok(VcpuExit::MmioRead(at, _) | VcpuExit::MmioWrite(at, _)) => Exit::Broken(format!(
                "it touched guest-physical address {at:#x}, where there is no memory: its page tables are damaged"
            )),
            Ok(VcpuExit::Intr) => Exit::Interrupted,
            Ok(VcpuExit::MemoryFault { .. }) => Exit::BadMemory,
            Ok(VcpuExit::Shutdown) => {
                Exit::Broken("triple fault: it damaged the runtime's exception tables".to_owned())
            }
            Ok(VcpuExit::InternalError) => Exit::Broken(self.internal_error()),
            Ok(VcpuExit::FailEntry(reason, _)) => {
                Exit::Broken(format!("the processor refused to enter it (reason {reason:#x})"))
            }
            Ok(other) => Exit::Broken(format!("unexpected exit {other:?}")),
            Err(error) => match error.errno() {
                libc::EINTR => Exit::Interrupted,
                // A machine's first run has the kernel start a thread, which counts as the user's.
                libc::EAGAIN => Exit::NoThread,
                libc::EFAULT => Exit::BadMemory,
                _ => Exit::Broken(format!("KVM_RUN failed: {error}")),
            },
        }
    }

    fn internal_error(&mut self) -> String {
        // SAFETY: the exit reason is KVM_EXIT_INTERNAL_ERROR, for which KVM fills in `internal`.
        let detail = unsafe { self.fd.get_kvm_run().__bindgen_anon_1.internal };
        if detail.suberror == KVM_INTERNAL_ERROR_EMULATION {
            let at = self.fd.get_regs().map_or(0, |regs| regs.rip);
            format!("the host emulates ring 0 and does not know the instruction at {at:#x}")
        } else {
            format!("KVM internal error {}", detail.suberror)
        }
    }
}
