//! The initial stack: arguments, environment, auxiliary vector, as the x86-64 ABI lays them out.

use crate::memory::user::{Fault, UserMemory};
use dangless_core::address::GuestVirtual;
use std::ffi::CString;
use std::ops::Range;

/// What goes on the stack besides arguments and environment.
#[derive(Clone, Copy, Debug)]
pub struct Auxiliary {
    /// Address of the program headers.
    pub headers: u64,
    /// Their number.
    pub header_count: u16,
    /// Entry point of the program.
    pub entry: u64,
    /// Where the dynamic linker lies, 0 if there is none.
    pub base: u64,
    /// Where the vDSO lies, 0 if there is none.
    pub vdso: u64,
    /// 16 random bytes.
    pub random: [u8; 16],
}

/// A built stack.
#[derive(Clone, Debug)]
pub struct Initial {
    /// The initial stack pointer, 16-byte aligned.
    pub pointer: u64,
    /// Where the arguments' text lies.
    pub arguments: Range<u64>,
    /// Where the environment's text lies.
    pub environment: Range<u64>,
    /// The auxiliary vector.
    pub auxiliary: Vec<u8>,
}

/// Builds the stack that ends at `top`.
///
/// # Errors
/// When it does not fit the stack.
pub fn build(
    memory: &dyn UserMemory,
    top: u64,
    executable: &CString,
    arguments: &[CString],
    environment: &[CString],
    auxiliary: &Auxiliary,
) -> Result<Initial, Fault> {
    let mut at = top - 8;
    let mut push = |bytes: &[u8]| -> Result<u64, Fault> {
        at = at
            .checked_sub(bytes.len() as u64)
            .ok_or(Fault::Unmapped(GuestVirtual(at)))?;
        memory.write(GuestVirtual(at), bytes)?;
        Ok(at)
    };
    let executable = push(executable.as_bytes_with_nul())?;
    let mut environment_at = Vec::with_capacity(environment.len());
    for text in environment.iter().rev() {
        environment_at.push(push(text.as_bytes_with_nul())?);
    }
    let mut arguments_at = Vec::with_capacity(arguments.len());
    for text in arguments.iter().rev() {
        arguments_at.push(push(text.as_bytes_with_nul())?);
    }
    let environment_start = environment_at.last().copied().unwrap_or(executable);
    let arguments_start = arguments_at.last().copied().unwrap_or(environment_start);
    let platform = push(b"x86_64\0")?;
    let random = push(&auxiliary.random)?;

    let mut words = vec![arguments.len() as u64];
    words.extend(arguments_at.iter().rev());
    words.push(0);
    words.extend(environment_at.iter().rev());
    words.push(0);
    let vector = words.len();
    // SAFETY: no arguments but a number; the host's own vector is read.
    let host = |key| unsafe { libc::getauxval(key) };
    // SAFETY: these calls have no arguments and cannot fail.
    let [uid, euid, gid, egid] = unsafe {
        [
            libc::getuid(),
            libc::geteuid(),
            libc::getgid(),
            libc::getegid(),
        ]
    };
    for (key, value) in [
        (AT_HWCAP, host(AT_HWCAP)),
        (AT_PAGESZ, 4096),
        (AT_CLKTCK, 100),
        (AT_PHDR, auxiliary.headers),
        (AT_PHENT, 56),
        (AT_PHNUM, u64::from(auxiliary.header_count)),
        (AT_BASE, auxiliary.base),
        (AT_FLAGS, 0),
        (AT_ENTRY, auxiliary.entry),
        (AT_UID, u64::from(uid)),
        (AT_EUID, u64::from(euid)),
        (AT_GID, u64::from(gid)),
        (AT_EGID, u64::from(egid)),
        (AT_SECURE, 0),
        (AT_RANDOM, random),
        (AT_HWCAP2, host(AT_HWCAP2) & !HWCAP2_FSGSBASE),
        (AT_MINSIGSTKSZ, host(AT_MINSIGSTKSZ).max(2048)),
        (AT_EXECFN, executable),
        (AT_PLATFORM, platform),
        (AT_SYSINFO_EHDR, auxiliary.vdso),
        (AT_NULL, 0),
    ] {
        if key != AT_SYSINFO_EHDR || value != 0 {
            words.extend([key, value]);
        }
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let pointer = random
        .checked_sub(bytes.len() as u64)
        .ok_or(Fault::Unmapped(GuestVirtual(random)))?
        & !15;
    memory.write(GuestVirtual(pointer), &bytes)?;
    Ok(Initial {
        pointer,
        arguments: arguments_start..environment_start,
        environment: environment_start..executable,
        auxiliary: bytes.get(8 * vector..).unwrap_or_default().to_vec(),
    })
}

const AT_NULL: u64 = 0;
const AT_PHDR: u64 = 3;
const AT_PHENT: u64 = 4;
const AT_PHNUM: u64 = 5;
const AT_PAGESZ: u64 = 6;
const AT_BASE: u64 = 7;
const AT_FLAGS: u64 = 8;
const AT_ENTRY: u64 = 9;
const AT_UID: u64 = 11;
const AT_EUID: u64 = 12;
const AT_GID: u64 = 13;
const AT_EGID: u64 = 14;
const AT_PLATFORM: u64 = 15;
const AT_HWCAP: u64 = 16;
const AT_CLKTCK: u64 = 17;
const AT_SECURE: u64 = 23;
const AT_RANDOM: u64 = 25;
const AT_HWCAP2: u64 = 26;
const AT_SYSINFO_EHDR: u64 = 33;
const AT_EXECFN: u64 = 31;
const AT_MINSIGSTKSZ: u64 = 51;
/// The guest cannot use the instructions that this bit of AT_HWCAP2 promises.
const HWCAP2_FSGSBASE: u64 = 2;
