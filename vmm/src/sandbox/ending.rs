//! From the end of a program to what is left of it.

use super::{Outcome, Status, Teller};
use crate::machine::fork::Farewell;
use crate::machine::program::Program;
use crate::machine::run::End;
use crate::process::death::Death;
use crate::report::{Kind, Text};
use std::io::Write;
use std::sync::Arc;

/// Exit status of the VMM's own failures.
const FAILURE: u8 = 125;

/// What a program leaves behind, or why it could not go on.
pub(super) fn outcome(program: &Program, end: End) -> Result<Outcome, String> {
    let mut reports = program.take_reports();
    let status = match end {
        End::Exit(status) | End::Thread(status) => Status::Exited(status),
        End::Signal(signal) | End::ThreadSignal(signal) => Status::Signaled(signal),
        End::Error(report) => {
            reports.push(*report);
            Status::Stopped
        }
        End::Broken(why) => return Err(why),
    };
    Ok(Outcome {
        status,
        reports,
        stdout: Vec::new(),
        stderr: Vec::new(),
        protected: program.is_protected(),
        statistics: program.statistics(),
    })
}

/// What ends a child process.
pub(super) fn farewell(tell: Option<Arc<Teller>>) -> Box<Farewell> {
    Box::new(move |program, end| {
        let outcome = match outcome(program, end) {
            Ok(outcome) => outcome,
            Err(why) => {
                let note = format!("the program cannot go on: {why}");
                program.observer().note(&note);
                return Death::Exit(FAILURE);
            }
        };
        let after_report = tell
            .as_ref()
            .map_or_else(|| print(&outcome), |tell| tell(&outcome));
        match outcome.status {
            Status::Exited(status) => Death::Exit(status as u8),
            Status::Signaled(signal) => Death::Signal(signal),
            Status::Stopped => Death::Exit(after_report),
        }
    })
}

/// Prints the reports; the exit status after one.
fn print(outcome: &Outcome) -> u8 {
    let mut error = std::io::stderr().lock();
    for report in outcome
        .reports
        .iter()
        .filter(|report| report.kind != Kind::Segv)
    {
        // Nobody is left to tell if standard error is gone.
        let _ = write!(error, "{}", Text::new(report));
    }
    1
}
