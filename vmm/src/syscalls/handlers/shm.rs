//! System V shared memory.

use super::word::{with_word, Word};
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{checked, host};

/// `struct shmid_ds`
const SEGMENT: u16 = 112;
/// Offset of its length in there.
const LENGTH: usize = 48;
/// `struct shminfo`
const LIMITS: u16 = 72;
/// `struct shm_info`
const USAGE: u16 = 48;

/// `shmat`
///
/// # Errors
/// As Linux; ENOMEM also where guest memory cannot be in one piece.
pub fn shmat(call: &mut Call<'_>) -> Result<i64, Stop> {
    let id = call.int(0);
    let mut segment = [0u8; SEGMENT as usize];
    let pointer = segment.as_mut_ptr() as u64;
    let stat = libc::IPC_STAT as u64;
    match host::commit(libc::SYS_shmctl, [id as u64, stat, pointer, 0, 0, 0]) {
        value if value == -i64::from(libc::EIDRM) => return Err(Stop::Errno(libc::EINVAL)),
        value => checked(value)?,
    };
    let mut length = [0; 8];
    length.copy_from_slice(&segment[LENGTH..LENGTH + 8]);
    let length = u64::from_le_bytes(length);
    let (at, flags) = (call.argument(1), call.int(2));
    Ok(call.process.attach_segment(id, length, at, flags)? as i64)
}

/// `shmdt`
///
/// # Errors
/// EINVAL.
pub fn shmdt(call: &mut Call<'_>) -> Result<i64, Stop> {
    let at = call.argument(0);
    call.process.detach_segment(at)?;
    Ok(0)
}

/// `shmctl`
///
/// # Errors
/// EINVAL for unknown commands, EFAULT, a report of a freed pointer.
pub fn shmctl(call: &mut Call<'_>) -> Result<i64, Stop> {
    let word = match call.int(1) {
        libc::IPC_RMID | libc::SHM_LOCK | libc::SHM_UNLOCK => Word::Value,
        libc::IPC_STAT | SHM_STAT | SHM_STAT_ANY => Word::Out(SEGMENT),
        libc::IPC_SET => Word::In(SEGMENT),
        libc::IPC_INFO => Word::Out(LIMITS),
        SHM_INFO => Word::Out(USAGE),
        _ => return Err(Stop::Errno(libc::EINVAL)),
    };
    with_word(call, 2, word)
}

// Commands that libc has no names for.
const SHM_STAT: i32 = 13;
const SHM_INFO: i32 = 14;
const SHM_STAT_ANY: i32 = 15;
