//! System V messages and semaphores.

use super::word::{with_word, Word};
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{bounce, checked, host};

/// `long mtype`, before a message's text.
const TYPE: u64 = 8;
/// `struct msqid_ds`
const QUEUE: u16 = 120;
/// `struct semid_ds`
const SET: u16 = 104;
/// `struct msginfo`
const MESSAGE_LIMITS: u16 = 32;
/// `struct seminfo`
const SEMAPHORE_LIMITS: u16 = 40;
/// More semaphores than a set has, unless the host's limit was raised.
const MOST_SEMAPHORES: usize = 1 << 16;

/// `msgsnd`
///
/// # Errors
/// As Linux; a report of a freed pointer.
pub fn msgsnd(call: &mut Call<'_>) -> Result<i64, Stop> {
    let at = call.argument(1);
    let kind = call.read_u64(1, at)? as i64;
    let length = length(call)?;
    if call.int(0) < 0 || kind < 1 || (length as u64 - TYPE) > most_text() {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let mut message = vec![0; length];
    call.read(1, at, &mut message)?;
    let mut arguments = call.arguments;
    arguments[1] = message.as_ptr() as u64;
    Ok(host::commit(call.entry.number, arguments))
}

/// `msgrcv`
///
/// # Errors
/// As Linux; a report of a freed pointer.
pub fn msgrcv(call: &mut Call<'_>) -> Result<i64, Stop> {
    let mut message = vec![0; length(call)?];
    call.check_live(1, call.argument(1), message.len() as u64)?;
    let mut arguments = call.arguments;
    arguments[1] = message.as_mut_ptr() as u64;
    let value = host::commit(call.entry.number, arguments);
    if let Ok(text) = usize::try_from(value) {
        let filled = message
            .get(..text + TYPE as usize)
            .ok_or(Stop::Errno(libc::EIO))?;
        call.write(1, call.argument(1), filled)?;
    }
    Ok(value)
}

/// `msgctl`
///
/// # Errors
/// EINVAL for unknown commands, EFAULT, a report of a freed pointer.
pub fn msgctl(call: &mut Call<'_>) -> Result<i64, Stop> {
    let word = match call.int(1) {
        libc::IPC_RMID => Word::Value,
        libc::IPC_STAT | MSG_STAT | MSG_STAT_ANY => Word::Out(QUEUE),
        libc::IPC_INFO | MSG_INFO => Word::Out(MESSAGE_LIMITS),
        libc::IPC_SET => Word::In(QUEUE),
        _ => return Err(Stop::Errno(libc::EINVAL)),
    };
    with_word(call, 2, word)
}

/// `semctl`
///
/// # Errors
/// EINVAL for unknown commands, EFAULT, a report of a freed pointer.
pub fn semctl(call: &mut Call<'_>) -> Result<i64, Stop> {
    let word = match call.int(2) {
        libc::GETALL | libc::SETALL => return values(call),
        libc::IPC_RMID
        | libc::GETPID
        | libc::GETVAL
        | libc::GETNCNT
        | libc::GETZCNT
        | libc::SETVAL => Word::Value,
        libc::IPC_STAT | SEM_STAT | SEM_STAT_ANY => Word::Out(SET),
        libc::IPC_INFO | SEM_INFO => Word::Out(SEMAPHORE_LIMITS),
        libc::IPC_SET => Word::In(SET),
        _ => return Err(Stop::Errno(libc::EINVAL)),
    };
    with_word(call, 3, word)
}

/// `GETALL` and `SETALL`: the values of a whole set, whose size only the kernel knows.
fn values(call: &Call<'_>) -> Result<i64, Stop> {
    let mut set = [0u64; SET as usize / 8];
    let [id, _, command, at, ..] = call.arguments;
    let state = [id, 0, libc::IPC_STAT as u64, set.as_mut_ptr() as u64, 0, 0];
    checked(host::ask(libc::SYS_semctl, state))?;
    // `sem_nsems` follows permissions, two times and two words that are not used.
    let count = set.get(10).copied().unwrap_or(0) as usize;
    if count > MOST_SEMAPHORES {
        return Err(Stop::Errno(libc::ENOMEM));
    }
    // Room for any set, should this one be replaced by another of its number.
    let mut all = vec![0u8; 2 * MOST_SEMAPHORES];
    let filled = all.get_mut(..2 * count).unwrap_or_default();
    let sets = command as i32 == libc::SETALL;
    if sets {
        call.read(3, at, filled)?;
    } else {
        call.check_live(3, at, filled.len() as u64)?;
    }
    let arguments = [id, 0, command, all.as_mut_ptr() as u64, 0, 0];
    let value = host::commit(libc::SYS_semctl, arguments);
    if !sets && value >= 0 {
        call.write(3, at, all.get(..2 * count).unwrap_or_default())?;
    }
    Ok(value)
}

/// The longest text of a message that may be sent.
fn most_text() -> u64 {
    let mut limits = [0i32; MESSAGE_LIMITS as usize / 4];
    let info = [
        0,
        libc::IPC_INFO as u64,
        limits.as_mut_ptr() as u64,
        0,
        0,
        0,
    ];
    if host::ask(libc::SYS_msgctl, info) < 0 {
        return bounce::LARGEST;
    }
    // `msgmax` is the third number.
    u64::try_from(limits[2]).unwrap_or(0)
}

/// Bytes in the message and its type.
fn length(call: &Call<'_>) -> Result<usize, Stop> {
    let text = call.argument(2);
    if text > bounce::LARGEST {
        return Err(Stop::Errno(libc::EINVAL));
    }
    Ok((text + TYPE) as usize)
}

// Commands that libc has no names for.
const MSG_STAT: i32 = 11;
const MSG_INFO: i32 = 12;
const MSG_STAT_ANY: i32 = 13;
const SEM_STAT: i32 = 18;
const SEM_INFO: i32 = 19;
const SEM_STAT_ANY: i32 = 20;
