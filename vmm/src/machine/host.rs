//! The host's KVM: opening it, and what it must offer.

use kvm_ioctls::{Cap, Kvm};
use std::io;

/// Why this host cannot run a machine. The text names the mend.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// There is no `/dev/kvm`.
    #[error("no /dev/kvm: load the kvm module (modprobe kvm_intel, kvm_amd), or enable virtualisation in the firmware or nested virtualisation in the outer machine")]
    Missing,
    /// `/dev/kvm` may not be opened.
    #[error("no permission to open /dev/kvm: add the user to group kvm (sudo usermod -aG kvm $USER, then log in again)")]
    Permission,
    /// Opening failed otherwise.
    #[error("cannot open /dev/kvm: {0}")]
    Open(io::Error),
    /// The interface is not the one that every kernel since 2.6.22 has.
    #[error("/dev/kvm speaks API version {0}, not 12: it is not Linux's KVM")]
    Version(i32),
    /// A capability is missing.
    #[error("this host's KVM lacks {0}: a newer kernel is needed (5.4 or later)")]
    Capability(&'static str),
    /// A machine was made but does not work.
    #[error("the machine does not work: {0}")]
    Trial(String),
    /// A descriptor could not be moved out of the program's way.
    #[error("cannot duplicate a descriptor: {0}; raise `ulimit -n`")]
    Descriptor(io::Error),
    /// A thread of the VMM could not be started.
    #[error("cannot start a thread: {0}; raise `ulimit -u`")]
    Thread(io::Error),
    /// KVM's own thread could not be started.
    #[error("the host's KVM could not start a thread of its own; raise `ulimit -u`")]
    KvmThread,
    /// No more vCPUs.
    #[error("this host's KVM allows {0} vCPUs in a machine: the program has too many threads")]
    Processors(u32),
    /// A KVM call failed.
    #[error("KVM call {call} failed: {source}")]
    Call {
        /// Which.
        call: &'static str,
        /// What it said.
        source: kvm_ioctls::Error,
    },
}

impl HostError {
    /// Wraps the error of a KVM call.
    pub fn call(call: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> Self {
        move |source| Self::Call { call, source }
    }
}

/// Opens KVM and checks what a machine needs.
///
/// # Errors
/// The first thing that is missing.
pub fn open() -> Result<Kvm, HostError> {
    let kvm = Kvm::new().map_err(|error| match error.errno() {
        libc::ENOENT | libc::ENXIO | libc::ENODEV => HostError::Missing,
        libc::EACCES | libc::EPERM => HostError::Permission,
        number => HostError::Open(io::Error::from_raw_os_error(number)),
    })?;
    let version = kvm.get_api_version();
    if version != 12 {
        return Err(HostError::Version(version));
    }
    for (capability, name) in [
        (Cap::UserMemory, "KVM_CAP_USER_MEMORY"),
        (Cap::ExtCpuid, "KVM_CAP_EXT_CPUID"),
        (Cap::SyncRegs, "KVM_CAP_SYNC_REGS"),
        (Cap::ImmediateExit, "KVM_CAP_IMMEDIATE_EXIT"),
    ] {
        if !kvm.check_extension(capability) {
            return Err(HostError::Capability(name));
        }
    }
    Ok(kvm)
}

/// Whether the processor offers hardware virtualisation to this kernel; `None` if that cannot be
/// told. Without it KVM shadows page tables and emulates ring 0.
#[must_use]
pub fn hardware_virtualisation() -> Option<bool> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let flags = text.lines().find(|line| line.starts_with("flags"))?;
    Some(
        flags
            .split_whitespace()
            .any(|flag| flag == "vmx" || flag == "svm"),
    )
}
