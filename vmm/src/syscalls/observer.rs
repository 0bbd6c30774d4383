//! Watching system calls: the tracer, the statistics, and unknown calls named once.

use super::serve;
use super::stats::Stats;
use super::strace::Strace;
use crate::process::{Outcome, Process};
use crate::syscalls::table::entry::Entry;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What watches the calls of a process.
#[derive(Default)]
pub struct Observer {
    /// Prints calls.
    pub strace: Option<Strace>,
    /// Counts them.
    pub stats: Option<Stats>,
    /// Where unknown calls are named.
    pub notes: Option<Box<dyn Write + Send>>,
    named: BTreeSet<u64>,
}

/// The observer, whatever happened to the last thread that had it.
pub(super) fn lock(observer: &Mutex<Observer>) -> MutexGuard<'_, Observer> {
    observer.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observer {
    /// Serves a call and watches it. Other threads' calls may begin and end meanwhile.
    pub(super) fn watch(
        this: &Mutex<Self>,
        process: &mut dyn Process,
        entry: &'static Entry,
        arguments: [u64; 6],
    ) -> Outcome {
        let line = match &lock(this).strace {
            Some(strace) if strace.shows(entry) => Some(strace.enter(process, entry, &arguments)),
            _ => None,
        };
        let start = Instant::now();
        let outcome = serve(process, entry, arguments);
        let time = start.elapsed();
        let mut observer = lock(this);
        if let Some(stats) = &mut observer.stats {
            stats.count(entry, &outcome, time);
        }
        if let (Some(strace), Some(line)) = (&mut observer.strace, line) {
            strace.leave(process, entry, &arguments, line, &outcome);
        }
        outcome
    }

    /// Notes a call that the table does not know, once.
    pub(super) fn unknown(&mut self, number: u64, arguments: &[u64; 6]) {
        if let Some(strace) = &mut self.strace {
            strace.unknown(number, arguments);
        }
        if self.named.insert(number) {
            if let Some(notes) = &mut self.notes {
                // A note that cannot be written must not change what the program sees.
                writeln!(notes, "dangless-vmm: unknown system call {number}: ENOSYS").ok();
            }
        }
    }

    /// The numbers of the unknown calls that were made.
    #[must_use]
    pub const fn unknown_calls(&self) -> &BTreeSet<u64> {
        &self.named
    }
}
