//! The host kernel's side: making the call, and pointers it may be given.

use crate::memory::user::{Access, Fault, HostSlice, UserMemory};
use crate::signals::{slot, stub};
use dangless_core::address::{GuestVirtual, PAGE_SIZE};
use std::sync::OnceLock;

/// The end of what Linux lets a program use of the lower half.
pub const USER_END: u64 = (1 << 47) - PAGE_SIZE;

/// The most that Linux moves in one call.
pub const MOST_MOVED: u64 = 0x7fff_f000;

/// Makes a system call on the host: its value, or the negative error.
///
/// The arguments must hold no pointer other than those the engine made: memory of the program,
/// a bounce buffer, [`absent`], or null.
///
/// [`RESTART`](crate::signals::stub::RESTART) if a signal for the program came before the call had
/// any effect.
#[must_use]
pub fn commit(number: i64, arguments: [u64; 6]) -> i64 {
    // SAFETY: by the engine's staging every pointer among the arguments is null, an address that
    // faults, or host memory of at least the length that the call may touch.
    unsafe { stub::call(number, &arguments) }
}

/// As [`commit`], for a call that waits while other signals than usual are blocked.
#[must_use]
pub fn commit_masked(number: i64, arguments: [u64; 6], mask: u64) -> i64 {
    let value = commit(number, arguments);
    if value == -i64::from(libc::EINTR) {
        slot::with(|slot| slot.came_during(mask));
    }
    value
}

/// Makes a call that neither waits nor changes anything the program sees, whatever signal has
/// come: its value, or the negative error.
#[must_use]
pub fn ask(number: i64, arguments: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: as in `commit`.
    let value = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if value == -1 {
        return -i64::from(
            std::io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
        );
    }
    value
}

/// A host address that faults as the program's `length` bytes at `at`, where nothing usable is
/// mapped, would: some calls look first whether memory is in the lower half at all.
///
/// Null stays null: calls give it a meaning, and the VMM maps nothing there.
#[must_use]
pub fn absent(at: u64, length: u64) -> u64 {
    if at == 0 {
        return 0;
    }
    if in_user_range(at, length) {
        fence()
    } else {
        KERNEL
    }
}

/// An address in the kernel's half.
const KERNEL: u64 = u64::MAX - PAGE_SIZE + 1;

/// A page of the host that nobody can read or write.
#[must_use]
pub fn fence() -> u64 {
    static FENCE: OnceLock<u64> = OnceLock::new();
    *FENCE.get_or_init(|| {
        // SAFETY: a new private mapping that nothing can access; no memory of ours is replaced.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PAGE_SIZE as usize,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        // Without memory for the fence an address of the kernel's half does as well: only calls
        // that fail later than at once can tell the two apart.
        if page == libc::MAP_FAILED {
            KERNEL
        } else {
            page as u64
        }
    })
}

/// Whether the range lies where Linux lets programs have memory.
#[must_use]
pub fn in_user_range(at: u64, length: u64) -> bool {
    at.checked_add(length).is_some_and(|end| end <= USER_END)
}

/// The host memory behind a range, in order.
///
/// # Errors
/// The first address that cannot be used.
pub fn slices(
    memory: &dyn UserMemory,
    at: u64,
    length: u64,
    access: Access,
) -> Result<Vec<HostSlice>, Fault> {
    if !in_user_range(at, length) {
        return Err(Fault::Unmapped(GuestVirtual(at)));
    }
    memory.slices(GuestVirtual(at), length, access)
}
