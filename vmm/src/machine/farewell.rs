//! What a thread that ends leaves behind for the others: robust futexes, and its cleared id.

use super::robust::List;
use super::thread::Thread;
use crate::memory::user::{Access, UserMemory};
use crate::signals::mask;
use dangless_core::address::GuestVirtual;
use std::sync::atomic::{AtomicU32, Ordering};

const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;
const ID: u32 = 0x3fff_ffff;

impl Thread {
    /// Gives up the futexes on the thread's robust list, clears its id and wakes who waits for it.
    pub(super) fn say_farewell(&mut self) {
        // Nothing of the program's may interrupt this.
        mask::set(mask::ALL);
        let (head, _) = self.calls.robust_list;
        if head != 0 {
            // Also when the program ends: other processes may wait for a futex in shared memory.
            if let Ok(list) = List::read(&*self.program.space, head) {
                for futex in list.futexes {
                    self.give_up(futex, false);
                }
                if let Some(futex) = list.pending {
                    self.give_up(futex, true);
                }
            }
        }
        let at = self.calls.tid_address;
        if at != 0 && !self.program.crew.is_stopping() {
            if let Some(word) = self.futex(at) {
                word.store(0, Ordering::SeqCst);
                wake(word, libc::FUTEX_WAKE);
            }
        }
    }

    /// Marks one futex as its dead owner's and wakes a waiter; bit 0 of its address says that it is
    /// one with priority inheritance, whose waiters the host's kernel looks after.
    fn give_up(&self, entry: u64, pending: bool) {
        let Some(word) = self.futex(entry & !1) else {
            return;
        };
        let own = self.member.id.unsigned_abs();
        let mut value = word.load(Ordering::SeqCst);
        if pending && entry & 1 == 0 && value & ID == 0 {
            wake(word, libc::FUTEX_WAKE);
            return;
        }
        while value & ID == own {
            let died = value & WAITERS | OWNER_DIED;
            match word.compare_exchange(value, died, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => {
                    if entry & 1 == 0 && value & WAITERS != 0 {
                        wake(word, libc::FUTEX_WAKE);
                    }
                    return;
                }
                Err(now) => value = now,
            }
        }
    }

    fn futex(&self, at: u64) -> Option<&AtomicU32> {
        if at % 4 != 0 {
            return None;
        }
        // Reading goes by the kernel where the memory is a file's, which may have become shorter.
        let mut probe = [0u8; 4];
        let space = &self.program.space;
        space.read(GuestVirtual(at), &mut probe).ok()?;
        let slices = space.slices(GuestVirtual(at), 4, Access::Write);
        match slices.ok()?.as_slice() {
            [slice] => {
                // SAFETY: four aligned bytes of guest memory, just seen to be there, in the
                // reservation that lives as long as the machine; all of the VMM's accesses to
                // futexes are atomic.
                Some(unsafe { AtomicU32::from_ptr(slice.pointer.cast()) })
            }
            _ => None,
        }
    }
}

fn wake(word: &AtomicU32, operation: i32) {
    // SAFETY: the word is mapped; waking touches no memory.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, 1, 0, 0, 0) };
}
