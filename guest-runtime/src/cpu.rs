//! The instructions that edit the machine, and where ring 0 and ring 3 differ.
//!
//! | | ring 0 | ring 3 |
//! | --- | --- | --- |
//! | flush one page | `invlpg` | the flush gate (everything) |
//! | flush everything | reload CR3 | the flush gate: `int3` into a ring-0 stub that reloads CR3 |

use crate::{area, exit};
use core::arch::asm;
use core::arch::x86_64::{_mm_prefetch, _rdtsc, _MM_HINT_ET0};
use core::sync::atomic::{AtomicU64, Ordering};
use dangless_core::abi::layout;
use dangless_core::address::{GuestPhysical, GuestVirtual};
use dangless_core::heap::{Machine, Stop};
use dangless_core::paging::{Flusher, TableMemory};

/// This processor and the memory around it.
#[derive(Clone, Copy)]
pub struct Cpu;

extern "C" {
    /// In `entry`: flushes every translation from ring 3; changes nothing else.
    fn flush_gate();
}

impl Flusher for Cpu {
    fn flush_page(&self, at: GuestVirtual) {
        if area::config().ring == 0 {
            // SAFETY: forgetting a translation is always correct; ring 0 may execute it.
            unsafe { asm!("invlpg [{}]", in(reg) at.0, options(nostack, preserves_flags)) };
        } else {
            self.flush_all();
        }
    }

    fn flush_all(&self) {
        if area::config().ring == 0 {
            // SAFETY: reloading the same root keeps the address space; ring 0 may execute it.
            unsafe {
                asm!("mov {0}, cr3", "mov cr3, {0}", out(reg) _, options(nostack, preserves_flags));
            }
        } else {
            // SAFETY: the gate is a plain function without arguments that keeps all registers.
            unsafe { flush_gate() };
        }
    }
}

// SAFETY: granted blocks stay granted and the direct map covers them (the VMM's contract); the
// window table is backed on demand with zeroed memory; both belong to the heap alone.
unsafe impl Machine for Cpu {
    fn grant(&self, blocks: u64, huge: bool) -> Option<GuestPhysical> {
        exit::grant(blocks, huge)
    }

    fn release(&self, start: GuestPhysical, blocks: u64) {
        exit::release(start, blocks);
    }

    fn discard(&self, start: GuestPhysical, bytes: u64) {
        exit::discard(start, bytes);
    }

    fn direct(&self, at: GuestPhysical) -> *mut u8 {
        (layout::DIRECT_MAP + at.0) as *mut u8
    }

    fn window_records(&self) -> *mut u8 {
        layout::WINDOW_TABLE as *mut u8
    }

    fn root(&self) -> GuestPhysical {
        GuestPhysical(area::config().root)
    }

    #[inline]
    fn prefetch(&self, at: GuestVirtual) {
        // SAFETY: a hint, which does nothing where `at` is not mapped.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.0 as *const i8) };
    }

    fn touch(&self, at: GuestVirtual) {
        // SAFETY: a byte of a block that the program's allocator has just lent.
        unsafe { (at.0 as *const u8).read_volatile() };
    }

    fn now(&self) -> u64 {
        // SAFETY: every processor that runs this has a time stamp counter.
        unsafe { _rdtsc() }
    }

    fn directory_edits_are_immediate(&self) -> bool {
        area::config().shadow_paging == 1
    }

    fn flushes_reach_all(&self) -> bool {
        area::config().shadow_paging == 1
    }

    fn processor(&self) -> u64 {
        // SAFETY: the area is this vCPU's own; a plain word is read.
        unsafe { (*area::current()).index }
    }

    fn flushed(&self, index: u64) -> &AtomicU64 {
        // SAFETY: the areas of started processors stay mapped; both sides use the word atomically.
        unsafe { AtomicU64::from_ptr(&raw mut (*area::of(index)).flushed) }
    }

    fn clock(&self) -> &AtomicU64 {
        // SAFETY: as in `flushed`; vCPU 0 exists first.
        unsafe { AtomicU64::from_ptr(&raw mut (*area::of(0)).clock) }
    }

    fn hurry(&self) {
        exit::hurry();
    }

    fn stop(&self) -> Stop {
        exit::stop()
    }

    fn resume(&self) {
        exit::resume();
    }

    fn roots(&self, visit: impl FnMut(u64)) -> bool {
        crate::roots::visit(visit)
    }

    fn words(&self, at: GuestVirtual, bytes: u64, mut visit: impl FnMut(u64)) {
        for offset in (0..bytes / 8 * 8).step_by(8) {
            // SAFETY: the caller names part of a live object; its program may write it, which a
            // volatile read does not mind.
            visit(unsafe { ((at.0 + offset) as *const u64).read_volatile() });
        }
    }

    unsafe fn copy(&self, from: GuestVirtual, to: GuestVirtual, bytes: u64) {
        // SAFETY: the caller promises two live objects; they do not overlap.
        unsafe {
            core::ptr::copy_nonoverlapping(from.0 as *const u8, to.0 as *mut u8, bytes as usize);
        }
    }

    unsafe fn clear(&self, at: GuestVirtual, bytes: u64) {
        // SAFETY: the caller promises a live object.
        unsafe { core::ptr::write_bytes(at.0 as *mut u8, 0, bytes as usize) };
    }
}

/// Page tables seen through the direct map, for edits of the program's own mappings.
impl TableMemory for Cpu {
    fn load(&self, at: GuestPhysical) -> u64 {
        // SAFETY: an aligned entry of a page table in the direct map; others access it atomically.
        unsafe { AtomicU64::from_ptr(self.direct(at).cast()) }.load(Ordering::Acquire)
    }

    fn store(&self, at: GuestPhysical, value: u64) {
        // SAFETY: as in `load`.
        unsafe { AtomicU64::from_ptr(self.direct(at).cast()) }.store(value, Ordering::Release);
    }

    fn allocate_table(&self) -> Option<GuestPhysical> {
        crate::upcall::table_frame()
    }

    fn is_table(&self, _at: GuestPhysical) -> bool {
        true
    }
}
