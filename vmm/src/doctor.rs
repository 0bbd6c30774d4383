//! `--doctor`: what this host offers, and what the VMM will therefore do.
//!
//! Everything printed is tried out or read here and now; nothing is assumed from a name.

use crate::loader::vdso::Vdso;
use crate::machine::boot::{BootError, Machine, RingChoice};
use crate::machine::host::{self, HostError};
use crate::machine::segments::Ring;
use kvm_ioctls::{Cap, Kvm};
use std::fmt::Write as _;
use std::time::Instant;

/// System calls made to measure one.
const ROUNDS: u32 = 500;
/// Memory of the machines that are tried out.
const MEMORY: u64 = 256 << 20;

/// What was found, as text, and whether programs can run.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// Lines for the user.
    pub text: String,
    /// Whether programs can run here.
    pub able: bool,
}

/// Examines the host.
#[must_use]
pub fn examine() -> Diagnosis {
    let mut text = String::new();
    let able = match describe(&mut text) {
        Ok(()) => true,
        Err(error) => {
            line(
                &mut text,
                "verdict",
                &format!("cannot run programs: {error}"),
            );
            false
        }
    };
    Diagnosis { text, able }
}

fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{name:<22}{value}");
}

fn describe(text: &mut String) -> Result<(), BootError> {
    let kvm = host::open()?;
    line(
        text,
        "kvm",
        &format!("/dev/kvm opens, API version {}", kvm.get_api_version()),
    );
    line(text, "capabilities", &capabilities(&kvm));
    let flags = match host::hardware_virtualisation() {
        Some(true) => "offered (vmx or svm)",
        Some(false) => "not offered (neither vmx nor svm)",
        None => "unknown (/proc/cpuinfo cannot be read)",
    };
    line(text, "hardware virt.", flags);
    line(text, "address width", &address_width(&kvm)?);
    line(text, "huge pages", &huge_pages());
    let started = Instant::now();
    let (machine, mut processor) = Machine::new(RingChoice::Auto, MEMORY, None)?;
    let took = started.elapsed();
    line(
        text,
        "machine",
        &format!("made in {:.1} ms", took.as_secs_f64() * 1e3),
    );
    let native = machine.ring == Ring::Zero;
    let ring_zero = match Machine::new(RingChoice::Zero, MEMORY, None) {
        Ok(_) => "native",
        Err(BootError::RingZero(_)) => "emulated by the host: not usable",
        Err(error) => return Err(error),
    };
    line(text, "ring 0", ring_zero);
    let paging = if machine.shadow_paging {
        "shadow page tables"
    } else {
        "two-dimensional, or treated as such (every edit is flushed)"
    };
    line(text, "paging", paging);
    match machine.try_syscalls(&mut processor, ROUNDS) {
        Ok(trial) => {
            let from = machine.ring.level();
            line(
                text,
                "syscall",
                &format!(
                    "from ring {from} enters at privilege level {}",
                    trial.syscall_level
                ),
            );
            line(
                text,
                "exit to the VMM",
                &format!(
                    "{:.1} us a round trip",
                    trial.round_trip.as_secs_f64() * 1e6
                ),
            );
        }
        Err(why) => return Err(HostError::Trial(why).into()),
    }
    let time = if !machine.shares_counter {
        "by system calls: the guest's time stamp counter is not the host's"
    } else if Vdso::of_host().is_none() {
        "by system calls: this kernel has no vDSO, or one that is not understood"
    } else {
        "read in the guest, by the host's vDSO"
    };
    line(text, "time", time);
    let verdict = if native {
        "programs run in ring 0; every free revokes at once"
    } else {
        "programs run in ring 3; frees revoke at once up to half the run time, then at the next system call"
    };
    line(text, "verdict", verdict);
    Ok(())
}

fn capabilities(kvm: &Kvm) -> String {
    [
        ("sync-regs", Cap::SyncRegs),
        ("immediate-exit", Cap::ImmediateExit),
        ("user-memory", Cap::UserMemory),
        ("xcrs", Cap::Xcrs),
        ("tsc-control", Cap::TscControl),
    ]
    .map(|(name, capability)| {
        let sign = if kvm.check_extension(capability) {
            '+'
        } else {
            '-'
        };
        format!("{sign}{name}")
    })
    .join(" ")
}

fn address_width(kvm: &Kvm) -> Result<String, HostError> {
    let cpuid = kvm
        .get_supported_cpuid(kvm_bindings::KVM_MAX_CPUID_ENTRIES)
        .map_err(HostError::call("KVM_GET_SUPPORTED_CPUID"))?;
    let leaf = cpuid
        .as_slice()
        .iter()
        .find(|leaf| leaf.function == 0x8000_0008);
    Ok(leaf.map_or_else(
        || "unknown".to_owned(),
        |leaf| {
            format!(
                "{} bits physical, {} bits virtual",
                leaf.eax & 0xff,
                leaf.eax >> 8 & 0xff
            )
        },
    ))
}

fn huge_pages() -> String {
    let path = "/sys/kernel/mm/transparent_hugepage/enabled";
    std::fs::read_to_string(path).map_or_else(
        |_| "none (no transparent huge pages)".to_owned(),
        |modes| {
            let mode = modes.split(['[', ']']).nth(1).unwrap_or("unknown");
            format!("transparent, mode {mode}")
        },
    )
}
