//! Serving the runtime: memory, reports, its log.
//!
//! Arguments are the guest's and may be anything; sizes are limited and addresses checked by use.

use super::run::End;
use super::thread::Thread;
use crate::memory::physical::Use;
use dangless_core::abi::exit::{Request, FAILED};
use dangless_core::abi::layout;
use dangless_core::address::{GuestPhysical, LARGE_PAGE_SIZE, PAGE_SIZE};
use std::time::Duration;

/// How long the others are given when memory is short, each time.
const HURRY: Duration = Duration::from_micros(100);
/// Longest line of the runtime's log, and longest panic message.
const LONGEST_TEXT: u64 = 256;

impl Thread {
    /// Serves the request that the runtime has just exited with.
    pub(super) fn serve_request(&mut self) -> Result<(), End> {
        let registers = self.processor.vcpu.registers();
        let (first, second, third) = (registers.rdi, registers.rsi, registers.rdx);
        let answer = match Request::from_number(registers.rax) {
            Some(Request::Grant) => self.grant(first, second == 1),
            Some(Request::Release) => {
                self.program
                    .machine
                    .physical
                    .release(GuestPhysical(first), second, Use::Granted);
                0
            }
            Some(Request::Discard) => {
                let start = GuestPhysical(first);
                if start.is_aligned(PAGE_SIZE)
                    && self
                        .program
                        .machine
                        .physical
                        .is_all(start, second, Use::Granted)
                {
                    self.program.machine.physical.discard(start, second);
                }
                0
            }
            Some(Request::Report) => return self.report_from_runtime(),
            Some(Request::Log) => {
                let text = self.runtime_text(first, second);
                self.program.observer.log(third, &text);
                0
            }
            Some(Request::Unwind) => {
                self.place_table(first);
                0
            }
            Some(Request::Walk) => self.walk_for_runtime(first, second, third),
            Some(Request::Tick) => {
                self.program
                    .start_ticking()
                    .map_err(|error| End::Broken(error.to_string()))?;
                0
            }
            Some(Request::Yield) => {
                std::thread::yield_now();
                0
            }
            Some(Request::Hurry) => {
                if self.program.crew.catch_up() {
                    std::thread::sleep(HURRY);
                }
                0
            }
            Some(Request::Roots) => self.roots(first),
            Some(Request::Words) => self.root_words(first),
            Some(Request::Stop) => self.halt_others(),
            Some(Request::Resume) => {
                self.let_others_go();
                0
            }
            Some(Request::Panic) => {
                let text = self.runtime_text(first, second);
                return Err(End::Broken(format!("the runtime gave up: {text}")));
            }
            None => FAILED,
        };
        self.processor.vcpu.set_rax(answer);
        Ok(())
    }

    fn grant(&mut self, blocks: u64, huge: bool) -> u64 {
        if !self.may_grant(blocks.saturating_mul(LARGE_PAGE_SIZE)) {
            return FAILED;
        }
        let Ok(start) = self.program.machine.physical.allocate(blocks, Use::Granted) else {
            return FAILED;
        };
        if self.program.machine.extend_direct_map().is_err() {
            self.program
                .machine
                .physical
                .release(start, blocks, Use::Granted);
            return FAILED;
        }
        if huge {
            self.program
                .machine
                .physical
                .advise_huge(start, blocks * LARGE_PAGE_SIZE);
        }
        start.0
    }

    /// Text in the runtime's own memory; what cannot be read is left out.
    fn runtime_text(&self, at: u64, length: u64) -> String {
        if !(layout::RUNTIME_START..layout::RUNTIME_END).contains(&at) && !self.is_on_stack(at) {
            return "(unreadable)".to_owned();
        }
        let mut bytes = vec![0u8; length.min(LONGEST_TEXT) as usize];
        match self.read_any(at, &mut bytes) {
            Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(()) => "(unreadable)".to_owned(),
        }
    }
}
