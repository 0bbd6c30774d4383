//! The host's part of `dangless_core::heap`'s epochs: processors that are outside, and the hurry.
//!
//! While a system call is served the processor counts as outside, so that one that blocks keeps no
//! memory waiting; it flushes before it runs on, if anything was waited for meanwhile. Where a
//! flush reaches all processors the words stay 0 and nothing here does anything.

use super::crew::{Crew, Member};
use super::run::End;
use super::thread::Thread;
use crate::signals::kick;
use dangless_core::abi::area::VcpuArea;
use dangless_core::abi::exit::Upcall;
use std::mem::offset_of;
use std::sync::atomic::Ordering;

impl Crew {
    /// The clock that counts epochs; 0 before the first thread has joined.
    fn clock(&self) -> u64 {
        let area = self.first_area();
        let word = area.and_then(|area| area.shared(offset_of!(VcpuArea, clock)));
        word.map_or(0, |word| word.load(Ordering::SeqCst))
    }

    /// Has the processors drain that memory waits for: soon, if they run; at their next entry into
    /// the runtime otherwise. Whether there were any.
    pub(super) fn catch_up(&self) -> bool {
        let clock = self.clock();
        let mut any = false;
        for member in self.members().iter() {
            if member.is_behind(clock) {
                any = true;
                member.set_pending();
                if member.is_inside() {
                    kick::kick(member.id);
                }
            }
        }
        any
    }
}

impl Member {
    fn is_behind(&self, clock: u64) -> bool {
        let word = self.area.shared(offset_of!(VcpuArea, flushed));
        let flushed = word.map_or(0, |word| word.load(Ordering::SeqCst));
        flushed != 0 && flushed != clock
    }

    /// Its processor is gone: nobody waits for it any more.
    pub(super) fn forget_epoch(&self) {
        if let Some(word) = self.area.shared(offset_of!(VcpuArea, flushed)) {
            word.store(0, Ordering::SeqCst);
        }
    }

    fn set_pending(&self) {
        if let Some(word) = self.area.shared(offset_of!(VcpuArea, pending)) {
            word.store(1, Ordering::SeqCst);
        }
    }
}

impl Thread {
    /// The processor runs neither program nor heap until [`Self::come_back`], which wants the
    /// answer.
    pub(super) fn go_outside(&self) -> u64 {
        let word = self.processor.area.shared(offset_of!(VcpuArea, flushed));
        word.map_or(0, |word| word.swap(0, Ordering::SeqCst))
    }

    /// Ends what [`Self::go_outside`] began; flushes unless that is known to be unnecessary.
    pub(super) fn come_back(&mut self, flushed: u64) -> Result<(), End> {
        if flushed == 0 {
            return Ok(());
        }
        if let Some(word) = self.processor.area.shared(offset_of!(VcpuArea, flushed)) {
            // First the word, then a look at the clock: see `dangless_core::heap`'s epochs.
            word.store(flushed, Ordering::SeqCst);
            if self.program.crew.clock() == flushed {
                return Ok(());
            }
            word.store(0, Ordering::SeqCst);
        }
        self.upcall(Upcall::CatchUp, [0; 3]).map(|_| ())
    }
}
