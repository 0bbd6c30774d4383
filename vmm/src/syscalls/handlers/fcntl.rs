//! `fcntl`, command by command.

use super::word::{with_word, Word};
use crate::signals::kick::KICK;
use crate::syscalls::call::{Call, Stop};

/// `struct flock`
const LOCK: u16 = 32;

/// `fcntl`
///
/// # Errors
/// EINVAL for unknown commands, for those that ask for signals where the process is not the program's
/// alone, and for signals that the VMM would take for its own.
pub fn fcntl(call: &mut Call<'_>) -> Result<i64, Stop> {
    call.descriptor(0)?;
    let alone = call.process.owns_process();
    let word = match call.int(1) {
        libc::F_SETFL if call.int(2) & libc::O_ASYNC != 0 && !alone => {
            return Err(Stop::Errno(libc::EINVAL));
        }
        F_SETSIG if !alone || is_ours(call.int(2)) => return Err(Stop::Errno(libc::EINVAL)),
        libc::F_SETLEASE | libc::F_NOTIFY if alone => Word::Value,
        libc::F_DUPFD
        | libc::F_DUPFD_CLOEXEC
        | libc::F_GETFD
        | libc::F_SETFD
        | libc::F_GETFL
        | libc::F_SETFL
        | libc::F_GETOWN
        | libc::F_SETOWN
        | libc::F_GETLEASE
        | F_SETSIG
        | F_GETSIG
        | F_CREATED_QUERY
        | libc::F_SETPIPE_SZ
        | libc::F_GETPIPE_SZ
        | libc::F_ADD_SEALS
        | libc::F_GET_SEALS => Word::Value,
        libc::F_GETLK | libc::F_OFD_GETLK => Word::InOut(LOCK),
        libc::F_SETLK | libc::F_SETLKW | libc::F_OFD_SETLK | libc::F_OFD_SETLKW => Word::In(LOCK),
        F_GETOWN_EX | F_GETOWNER_UIDS => Word::Out(8),
        F_DUPFD_QUERY => Word::Descriptor,
        F_SETOWN_EX => Word::In(8),
        F_GET_RW_HINT | F_GET_FILE_RW_HINT => Word::Out(8),
        F_SET_RW_HINT | F_SET_FILE_RW_HINT => Word::In(8),
        _ => return Err(Stop::Errno(libc::EINVAL)),
    };
    with_word(call, 2, word)
}

/// Whether the VMM would not know such a signal from its own: the one it uses, and those that tell of
/// its own faults.
pub(super) fn is_ours(signal: i32) -> bool {
    let faults = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGTRAP,
    ];
    signal == KICK || faults.contains(&signal)
}

// Commands that libc has no names for.
const F_SETSIG: i32 = 10;
const F_GETSIG: i32 = 11;
const F_SETOWN_EX: i32 = 15;
const F_GETOWN_EX: i32 = 16;
const F_GETOWNER_UIDS: i32 = 17;
const F_DUPFD_QUERY: i32 = 1027;
const F_CREATED_QUERY: i32 = 1028;
const F_GET_RW_HINT: i32 = 1035;
const F_SET_RW_HINT: i32 = 1036;
const F_GET_FILE_RW_HINT: i32 = 1037;
const F_SET_FILE_RW_HINT: i32 = 1038;
