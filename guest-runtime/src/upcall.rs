//! What the VMM may ask of the runtime.

use crate::{area, cpu::Cpu, exit, family};
use core::sync::atomic::{AtomicU64, Ordering};
use dangless_core::abi::exit::{Upcall, FAILED};
use dangless_core::address::{GuestPhysical, GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};
use dangless_core::paging::Mapper;

/// Serves one upcall; called by `upcall_entry` on the area's stack.
pub extern "C" fn upcall(what: u64, first: u64, second: u64, _third: u64) -> u64 {
    match Upcall::from_number(what) {
        Some(Upcall::Unmap) => unmap(first, second),
        Some(Upcall::Describe) => family::describe(first),
        Some(Upcall::Drain) => {
            family::tick();
            0
        }
        Some(Upcall::Start) => family::start(),
        Some(Upcall::ThreadStart) => family::thread_start(first),
        Some(Upcall::ThreadExit) => family::thread_exit(first),
        Some(Upcall::CatchUp) => family::catch_up(),
        None => FAILED,
    }
}

/// Finishes queued revocations, as far as a system call has to; called by `syscall_entry` on the area's
/// stack.
pub extern "C" fn drain() {
    family::drain_for_call();
}

fn unmap(start: u64, length: u64) -> u64 {
    let mapper = Mapper::new(&Cpu, GuestPhysical(area::config().root));
    match mapper.unmap(GuestVirtual(start), length) {
        Ok(flush) => {
            flush.redeem(&Cpu);
            0
        }
        Err(_) => FAILED,
    }
}

/// Next free frame for tables of the program's own mappings; a block boundary when none is left.
static NEXT_FRAME: AtomicU64 = AtomicU64::new(0);

/// A zeroed frame for a page table that splits a large page of the program.
pub fn table_frame() -> Option<GuestPhysical> {
    loop {
        let next = NEXT_FRAME.load(Ordering::Relaxed);
        if next % LARGE_PAGE_SIZE != 0 {
            let taken = NEXT_FRAME.compare_exchange(
                next,
                next + PAGE_SIZE,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if taken.is_ok() {
                return Some(GuestPhysical(next));
            }
            continue;
        }
        let block = exit::grant(1, false)?;
        let taken = NEXT_FRAME.compare_exchange(
            next,
            block.0 + PAGE_SIZE,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if taken.is_ok() {
            return Some(block);
        }
        exit::release(block, 1);
    }
}
