//! One system call under way: whose it is, what it was called with, and how it may stop short.

use crate::memory::user::{Access, Fault, UserMemory};
use crate::process::{Outcome, Process};
use crate::syscalls::state::{SharedState, ThreadState};
use crate::syscalls::table::entry::Entry;
use dangless_core::address::GuestVirtual;
use std::sync::MutexGuard;

/// Why a call ends before the host kernel has answered it, or other than by its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The program gets this error.
    Errno(i32),
    /// An argument leads to a freed heap object.
    Revoked {
        /// Index of the argument.
        argument: usize,
        /// The freed address.
        address: GuestVirtual,
    },
    /// The program ends.
    End(Outcome),
}

/// A system call under way.
pub struct Call<'a> {
    /// The process that made it.
    pub process: &'a mut dyn Process,
    /// What the table says about it.
    pub entry: &'static Entry,
    /// Its arguments, as the program passed them.
    pub arguments: [u64; 6],
}

impl Call<'_> {
    /// The program's memory.
    #[must_use]
    pub fn memory(&self) -> &dyn UserMemory {
        self.process.memory()
    }

    /// What the handlers keep for the thread.
    pub fn state(&mut self) -> &mut ThreadState {
        self.process.thread_state()
    }

    /// What the handlers keep for the process; a lock, held until it is dropped.
    pub fn shared(&self) -> MutexGuard<'_, SharedState> {
        self.process.shared_state()
    }

    /// An argument; 0 past the sixth.
    #[must_use]
    pub fn argument(&self, index: usize) -> u64 {
        self.arguments.get(index).copied().unwrap_or(0)
    }

    /// An argument of 32 bits.
    #[must_use]
    pub fn int(&self, index: usize) -> i32 {
        self.argument(index) as i32
    }

    /// A descriptor that the program may use.
    ///
    /// # Errors
    /// EBADF for the VMM's own.
    pub fn descriptor(&self, index: usize) -> Result<i32, Stop> {
        self.visible(self.int(index))
    }

    /// The descriptor, if the program may use it.
    ///
    /// # Errors
    /// EBADF for the VMM's own.
    pub fn visible(&self, descriptor: i32) -> Result<i32, Stop> {
        if self.process.is_hidden(descriptor) {
            return Err(Stop::Errno(libc::EBADF));
        }
        Ok(descriptor)
    }

    /// The stop for a fault met behind an argument.
    #[must_use]
    pub fn stop(argument: usize, fault: Fault) -> Stop {
        match fault {
            Fault::Unmapped(_) => Stop::Errno(libc::EFAULT),
            Fault::Revoked(address) => Stop::Revoked { argument, address },
        }
    }

    /// Fills `into` from the program's memory, on behalf of an argument.
    ///
    /// # Errors
    /// EFAULT, or a report of a freed address.
    pub fn read(&self, argument: usize, at: u64, into: &mut [u8]) -> Result<(), Stop> {
        self.memory()
            .read(GuestVirtual(at), into)
            .map_err(|fault| Self::stop(argument, fault))
    }

    /// Reads so many bytes of the program's memory, on behalf of an argument.
    ///
    /// # Errors
    /// EFAULT, or a report of a freed address.
    pub fn read_array<const N: usize>(&self, argument: usize, at: u64) -> Result<[u8; N], Stop> {
        let mut bytes = [0; N];
        self.read(argument, at, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads 64 bits of the program's memory, on behalf of an argument.
    ///
    /// # Errors
    /// EFAULT, or a report of a freed address.
    pub fn read_u64(&self, argument: usize, at: u64) -> Result<u64, Stop> {
        Ok(u64::from_le_bytes(self.read_array(argument, at)?))
    }

    /// Reads 32 bits of the program's memory, on behalf of an argument.
    ///
    /// # Errors
    /// EFAULT, or a report of a freed address.
    pub fn read_u32(&self, argument: usize, at: u64) -> Result<u32, Stop> {
        Ok(u32::from_le_bytes(self.read_array(argument, at)?))
    }

    /// Writes to the program's memory, on behalf of an argument.
    ///
    /// # Errors
    /// EFAULT, or a report of a freed address.
    pub fn write(&self, argument: usize, at: u64, from: &[u8]) -> Result<(), Stop> {
        self.memory()
            .write(GuestVirtual(at), from)
            .map_err(|fault| Self::stop(argument, fault))
    }

    /// Stops with a report if any byte of the range is freed; unmapped memory is let pass.
    ///
    /// # Errors
    /// A report of a freed address.
    pub fn check_live(&self, argument: usize, at: u64, length: u64) -> Result<(), Stop> {
        if length == 0 || at.checked_add(length).is_none() {
            return Ok(());
        }
        match self.memory().slices(GuestVirtual(at), length, Access::Read) {
            Err(Fault::Revoked(address)) => Err(Stop::Revoked { argument, address }),
            Err(Fault::Unmapped(_)) | Ok(_) => Ok(()),
        }
    }
}
