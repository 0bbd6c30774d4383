//! The connection to KVM: what belongs to the process that made it.

use super::host::{self, HostError};
use crate::descriptor;
use kvm_ioctls::{Kvm, VmFd};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};
use std::sync::Arc;

/// KVM, and a virtual machine of this process. Their descriptors are out of the program's way.
pub struct Link {
    /// KVM itself.
    pub kvm: Kvm,
    /// The machine.
    pub vm: Arc<VmFd>,
}

/// A copy of a descriptor with a number out of the program's way; `beyond` its limit where there
/// may be many.
pub(super) fn hide(descriptor: RawFd, beyond: bool) -> Result<RawFd, HostError> {
    let hidden = if beyond {
        descriptor::hide_beyond(descriptor)
    } else {
        descriptor::hide(descriptor)
    };
    hidden
        .map(IntoRawFd::into_raw_fd)
        .map_err(HostError::Descriptor)
}

impl Link {
    /// Opens KVM and makes an empty machine.
    ///
    /// # Errors
    /// When the host cannot.
    pub fn new() -> Result<Self, HostError> {
        let low = host::open()?;
        // SAFETY: the duplicate is a fresh descriptor that nobody else owns.
        let kvm = unsafe { Kvm::from_raw_fd(hide(low.as_raw_fd(), false)?) };
        drop(low);
        Self::over(kvm)
    }

    /// A new empty machine, in a child process: KVM itself stays open across a fork, and the child
    /// may have no way to open it (another root, another user).
    ///
    /// # Errors
    /// When the host cannot.
    pub fn again(&self) -> Result<Self, HostError> {
        // SAFETY: the duplicate is a fresh descriptor that nobody else owns.
        Self::over(unsafe { Kvm::from_raw_fd(hide(self.kvm.as_raw_fd(), false)?) })
    }

    /// A new empty machine of this KVM.
    ///
    /// # Errors
    /// When the host cannot.
    pub fn over(kvm: Kvm) -> Result<Self, HostError> {
        let low = kvm.create_vm().map_err(HostError::call("KVM_CREATE_VM"))?;
        // SAFETY: as above.
        let vm = unsafe { kvm.create_vmfd_from_rawfd(hide(low.as_raw_fd(), false)?) }
            .map_err(HostError::call("KVM_CREATE_VM"))?;
        drop(low);
        Ok(Self {
            kvm,
            vm: Arc::new(vm),
        })
    }

    /// The descriptors, which the program must not see.
    #[must_use]
    pub fn descriptors(&self) -> [RawFd; 2] {
        [self.kvm.as_raw_fd(), self.vm.as_raw_fd()]
    }
}
