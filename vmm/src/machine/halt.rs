//! Stopping all other threads of a program, for the heap's search for addresses to use again.
//!
//! A thread that asks for this is in the runtime and holds no lock of the heap's. It *rests* until
//! the others do: each is in a system call, waits at an instruction of the program's own, or asks
//! for the same. What a thread has in registers when it begins to rest is in its [`Member`], for the
//! one that searches.
//!
//! - The lock `mapping` is held until all rest, as for a fork: nobody waits for it then who counts
//!   as working. It is let go of before the search.
//! - Of several that ask, one is served; the others are told when it is done. A fork and a search
//!   exclude each other.
//! - Every processor is outside meanwhile (see `epoch`), and flushes before it goes on, if it must.

use super::crew::{Crew, Member};
use super::run::End;
use super::thread::Thread;
use dangless_core::abi::exit::{BUSY, FAILED};
use kvm_bindings::kvm_regs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Words that a resting thread is known by.
const WORDS: usize = 20;

/// A search for which all other threads stand still.
#[derive(Clone, Copy)]
pub(super) struct Halt {
    /// When they were first asked to.
    began: Instant,
    /// How long it took until they did.
    stopping: Duration,
}

/// What a thread that rests has in registers, and what system calls keep for it.
pub(super) struct Known([AtomicU64; WORDS]);

impl Known {
    pub(super) const fn nothing() -> Self {
        Self([const { AtomicU64::new(0) }; WORDS])
    }

    fn note(&self, words: [u64; WORDS]) {
        for (to, from) in self.0.iter().zip(words) {
            to.store(from, Ordering::Relaxed);
        }
    }

    /// The words, of a thread that rests.
    pub(super) fn words(&self) -> [u64; WORDS] {
        std::array::from_fn(|index| self.0[index].load(Ordering::Relaxed))
    }
}

impl Thread {
    /// Notes what the thread has in registers, before it rests.
    pub(super) fn note_registers(&self, registers: &kvm_regs) {
        let r = registers;
        self.member.known.note([
            r.rax,
            r.rbx,
            r.rcx,
            r.rdx,
            r.rsi,
            r.rdi,
            r.rsp,
            r.rbp,
            r.r8,
            r.r9,
            r.r10,
            r.r11,
            r.r12,
            r.r13,
            r.r14,
            r.r15,
            self.fs_base,
            self.calls.stack.base,
            self.calls.tid_address,
            self.calls.robust_list.0,
        ]);
    }

    /// Rests for as long as somebody holds all threads, at an instruction of the program's.
    pub(super) fn stand_still(&mut self) -> Result<(), End> {
        self.note_registers(&self.processor.vcpu.registers());
        let flushed = self.go_outside();
        Crew::rest(&self.member);
        self.program.crew.work(&self.member);
        self.come_back(flushed)
    }

    /// Stops all other threads; the answer to the runtime.
    pub(super) fn halt_others(&mut self) -> u64 {
        let program = Arc::clone(&self.program);
        let crew = &program.crew;
        if crew.is_lending() {
            // A process that suspends this one, or is suspended by it, cannot be asked.
            return FAILED;
        }
        self.note_registers(&self.processor.vcpu.registers());
        // The runtime flushes when it goes on.
        self.go_outside();
        Crew::rest(&self.member);
        let began = Instant::now();
        let halted = !crew.is_held() && {
            let _mapping = program.mapping();
            crew.try_hold(&self.member)
        };
        if !halted {
            crew.work(&self.member);
            return BUSY;
        }
        self.member.resume_work();
        let stopping = began.elapsed();
        self.halt = Some(Halt { began, stopping });
        if crew.is_lending() {
            self.let_others_go();
            return FAILED;
        }
        0
    }

    /// Ends what [`Self::halt_others`] began, if it did.
    pub(super) fn let_others_go(&mut self) {
        if let Some(halt) = self.halt.take() {
            self.words = Vec::new();
            let pauses = &self.program.pauses;
            pauses.count(halt.stopping, halt.began.elapsed());
            self.program.crew.release();
        }
    }

    /// Whether this is another thread's record than the calling one's.
    pub(super) fn is_other(&self, member: &Member) -> bool {
        member.id != self.member.id
    }
}
