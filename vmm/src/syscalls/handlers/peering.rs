//! `process_vm_readv` and `process_vm_writev`: the process's own memory only. On the host another
//! process's memory may be that of a VMM.

use crate::memory::user::Fault;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::host;
use dangless_core::address::{GuestVirtual, PAGE_SIZE};

/// Most pieces of either list.
const PIECES: u64 = 1024;
/// Bytes that are moved at once.
const CHUNK: u64 = 64 << 10;

/// `process_vm_readv`, `process_vm_writev`
///
/// # Errors
/// EPERM for other processes, ESRCH, EINVAL, EFAULT if nothing could be moved.
pub fn transfer(call: &mut Call<'_>) -> Result<i64, Stop> {
    let [_, local, local_count, remote, remote_count, flags] = call.arguments;
    if flags != 0 {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let local = pieces(call, 1, local, u64::from(local_count as u32))?;
    if local
        .iter()
        .any(|(at, length)| !host::in_user_range(*at, *length))
    {
        return Err(Stop::Errno(libc::EFAULT));
    }
    let nothing = |pieces: &[(u64, u64)]| pieces.iter().all(|(_, length)| *length == 0);
    if nothing(&local) {
        return Ok(0);
    }
    let remote = pieces(call, 3, remote, remote_count)?;
    if nothing(&remote) {
        return Ok(0);
    }
    own(call.int(0), &call.process.threads())?;
    let (from, to) = if call.entry.number == libc::SYS_process_vm_readv {
        ((3, remote), (1, local))
    } else {
        ((1, local), (3, remote))
    };
    let (mut source, mut target) = (Cursor::new(from), Cursor::new(to));
    let mut moved = 0;
    while let (Some((at, left)), Some((into, room))) = (source.next(), target.next()) {
        let most = left.min(room).min(CHUNK);
        let mut length = most;
        let mut copied = copy(call, (&source, at), (&target, into), length);
        if matches!(copied, Err((_, Fault::Unmapped(_)))) {
            // What lies before the page that is not there is moved all the same.
            length = most.min(to_page_end(at)).min(to_page_end(into));
            copied = copy(call, (&source, at), (&target, into), length);
        }
        match copied {
            Ok(()) => {}
            Err((argument, Fault::Revoked(address))) => {
                return Err(Stop::Revoked { argument, address });
            }
            Err((argument, fault)) if moved == 0 => return Err(Call::stop(argument, fault)),
            Err(_) => break,
        }
        source.advance(length);
        target.advance(length);
        moved += length;
    }
    Ok(moved as i64)
}

/// Copies once; the argument behind a fault, and the fault.
fn copy(
    call: &Call<'_>,
    (source, at): (&Cursor, u64),
    (target, into): (&Cursor, u64),
    length: u64,
) -> Result<(), (usize, Fault)> {
    let mut bytes = vec![0; length as usize];
    let memory = call.memory();
    memory
        .read(GuestVirtual(at), &mut bytes)
        .map_err(|fault| (source.argument, fault))?;
    memory
        .write(GuestVirtual(into), &bytes)
        .map_err(|fault| (target.argument, fault))
}

fn to_page_end(at: u64) -> u64 {
    PAGE_SIZE - at % PAGE_SIZE
}

/// Whether a number means the process with these threads.
///
/// # Errors
/// ESRCH if it means none, EPERM if it means another.
pub(super) fn own(target: i32, threads: &[i32]) -> Result<(), Stop> {
    if u32::try_from(target) == Ok(std::process::id()) || threads.contains(&target) {
        return Ok(());
    }
    let exists = host::commit(libc::SYS_kill, [target as u64, 0, 0, 0, 0, 0]);
    if target <= 0 || exists == -i64::from(libc::ESRCH) {
        return Err(Stop::Errno(libc::ESRCH));
    }
    Err(Stop::Errno(libc::EPERM))
}

/// Address and length of each piece.
fn pieces(call: &Call<'_>, argument: usize, at: u64, count: u64) -> Result<Vec<(u64, u64)>, Stop> {
    if count > PIECES {
        return Err(Stop::Errno(libc::EINVAL));
    }
    let mut pieces = Vec::new();
    for index in 0..count {
        let item = at.wrapping_add(16 * index);
        let start = call.read_u64(argument, item)?;
        let length = call.read_u64(argument, item.wrapping_add(8))?;
        if i64::try_from(length).is_err() {
            return Err(Stop::Errno(libc::EINVAL));
        }
        pieces.push((start, length));
    }
    Ok(pieces)
}

/// A place in a list of pieces.
struct Cursor {
    argument: usize,
    pieces: std::vec::IntoIter<(u64, u64)>,
    here: (u64, u64),
}

impl Cursor {
    fn new((argument, pieces): (usize, Vec<(u64, u64)>)) -> Self {
        Self {
            argument,
            pieces: pieces.into_iter(),
            here: (0, 0),
        }
    }

    /// The rest of the piece, or the next one that is not empty.
    fn next(&mut self) -> Option<(u64, u64)> {
        while self.here.1 == 0 {
            self.here = self.pieces.next()?;
        }
        Some(self.here)
    }

    fn advance(&mut self, length: u64) {
        self.here = (self.here.0.wrapping_add(length), self.here.1 - length);
    }
}
