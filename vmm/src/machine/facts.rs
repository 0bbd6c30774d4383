//! What one start has found out about the host, for the next starts of the same command.
//!
//! A program that starts many others would have each of them ask the same: which processor
//! features KVM offers (each leaf is an exit of its own where this machine is itself a guest),
//! which ring is native, whether time stamp counters agree. Facts travel to them, with KVM's own
//! descriptor, in a sealed file in memory that no program sees. What cannot be read is found out
//! anew.

use super::segments::Ring;
use crate::descriptor::{self, Room};
use kvm_bindings::{kvm_cpuid_entry2, CpuId, KVM_MAX_CPUID_ENTRIES};
use kvm_ioctls::Kvm;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// Numbers before the features.
const HEAD: usize = 3;
/// Words of a feature leaf.
const LEAF: usize = 7;
/// No file of facts is longer.
const LARGEST: usize = 8 * HEAD + 4 * LEAF * KVM_MAX_CPUID_ENTRIES;

const RING_THREE: u64 = 1;
const SHADOW_PAGING: u64 = 1 << 1;
const SHARES_COUNTER: u64 = 1 << 2;

/// What is known of the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The features that processors are given.
    pub features: CpuId,
    /// vCPUs that a machine can have.
    pub most_processors: u32,
    /// Time stamp counter ticks in a millisecond.
    pub tsc_per_ms: u64,
    /// The ring that was chosen, and works.
    pub ring: Ring,
    /// Whether the host shadows page tables.
    pub shadow_paging: bool,
    /// Whether the guest's time stamp counter reads as the host's.
    pub shares_counter: bool,
}

/// What a start takes over from the one before.
#[derive(Debug)]
pub struct Legacy {
    /// KVM, which the new program may have no way to open.
    pub kvm: Kvm,
    /// What is known.
    pub facts: Facts,
    /// The file that it was read from.
    pub file: OwnedFd,
}

impl Facts {
    fn encode(&self) -> Vec<u8> {
        let flag = |is: bool, flag| if is { flag } else { 0 };
        let flags = flag(self.ring == Ring::Three, RING_THREE)
            | flag(self.shadow_paging, SHADOW_PAGING)
            | flag(self.shares_counter, SHARES_COUNTER);
        let head = [flags, u64::from(self.most_processors), self.tsc_per_ms];
        let mut bytes: Vec<u8> = head.iter().flat_map(|word| word.to_le_bytes()).collect();
        for leaf in self.features.as_slice() {
            let words = [
                leaf.function,
                leaf.index,
                leaf.flags,
                leaf.eax,
                leaf.ebx,
                leaf.ecx,
                leaf.edx,
            ];
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, leaves) = bytes.split_at_checked(8 * HEAD)?;
        let word = |at: usize| {
            let bytes = head.get(8 * at..8 * at + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let flags = word(0)?;
        let mut entries = Vec::new();
        for leaf in leaves.chunks(4 * LEAF) {
            let word = |at: usize| {
                let bytes = leaf.get(4 * at..4 * at + 4)?.try_into().ok()?;
                Some(u32::from_le_bytes(bytes))
            };
            entries.push(kvm_cpuid_entry2 {
                function: word(0)?,
                index: word(1)?,
                flags: word(2)?,
                eax: word(3)?,
                ebx: word(4)?,
                ecx: word(5)?,
                edx: word(6)?,
                padding: [0; 3],
            });
        }
        if entries.is_empty() {
            return None;
        }
        Some(Self {
            features: CpuId::from_entries(&entries).ok()?,
            most_processors: u32::try_from(word(1)?).ok()?,
            tsc_per_ms: word(2)?,
            ring: if flags & RING_THREE != 0 {
                Ring::Three
            } else {
                Ring::Zero
            },
            shadow_paging: flags & SHADOW_PAGING != 0,
            shares_counter: flags & SHARES_COUNTER != 0,
        })
    }

    /// Writes them into a file that nobody can change, with a descriptor out of the program's way.
    ///
    /// # Errors
    /// When the host refuses.
    pub(super) fn publish(&self) -> io::Result<OwnedFd> {
        let _room = Room::make();
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        // SAFETY: the name is a C string.
        let low = unsafe { libc::memfd_create(c"dangless-vmm".as_ptr(), flags) };
        if low < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        let mut file = unsafe { File::from_raw_fd(low) };
        file.write_all(&self.encode())?;
        let seals =
            libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
        // SAFETY: acts on a descriptor; no memory is involved.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
            return Err(io::Error::last_os_error());
        }
        descriptor::hide(file.as_raw_fd())
    }
}

impl Legacy {
    /// Takes over what another start of the same command has left open: the file of facts, and
    /// KVM. Without facts there is nothing to take over, and both are closed.
    #[must_use]
    pub fn take(file: OwnedFd, kvm: OwnedFd) -> Option<Self> {
        use std::os::fd::IntoRawFd;
        let file = File::from(file);
        let mut bytes = vec![0; LARGEST];
        let length = file.read_at(&mut bytes, 0).ok()?;
        let facts = Facts::decode(bytes.get(..length)?)?;
        for descriptor in [file.as_raw_fd(), kvm.as_raw_fd()] {
            // SAFETY: acts on a descriptor; no memory is involved.
            unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
        Some(Self {
            // SAFETY: whoever left it open opened KVM; nobody else owns it.
            kvm: unsafe { Kvm::from_raw_fd(kvm.into_raw_fd()) },
            facts,
            file: file.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let leaf = |function, eax| kvm_cpuid_entry2 {
            function,
            eax,
            edx: 7,
            ..kvm_cpuid_entry2::default()
        };
        Facts {
            features: CpuId::from_entries(&[leaf(0, 13), leaf(0x8000_0008, 48)]).expect("two"),
            most_processors: 1024,
            tsc_per_ms: 2_596_096,
            ring: Ring::Three,
            shadow_paging: true,
            shares_counter: true,
        }
    }

    #[test]
    fn facts_come_back_as_they_were() {
        let file = File::from(facts().publish().expect("a file"));
        let mut bytes = vec![0; LARGEST];
        let length = file.read_at(&mut bytes, 0).expect("it can be read");
        assert_eq!(Facts::decode(&bytes[..length]), Some(facts()));
        assert!(file.write_at(&[0], 0).is_err(), "nobody can change it");
    }

    #[test]
    fn what_is_cut_off_is_not_taken_for_facts() {
        let bytes = facts().encode();
        for length in 0..bytes.len() {
            let whole = length > 8 * HEAD && (length - 8 * HEAD) % (4 * LEAF) == 0;
            assert_eq!(Facts::decode(&bytes[..length]).is_some(), whole, "{length}");
        }
    }
}
