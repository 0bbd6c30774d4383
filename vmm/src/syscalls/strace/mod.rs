//! Prints system calls as strace does.
//!
//! What the program passes is rendered before the call, what the kernel fills after it; a line is
//! written when the call is over.
//!
//! | room | holds |
//! | --- | --- |
//! | [`filter`] | which calls are printed |
//! | [`numbers`] | names of errors and signals |
//! | [`values`] | arguments that are values |
//! | [`blocks`] | arguments that are memory |
//! | [`structures`] | structures in memory |
//! | [`text`] | quoted bytes |

pub mod blocks;
pub mod filter;
pub mod numbers;
pub mod structures;
pub mod text;
pub mod values;

use crate::process::{Outcome, Process};
use crate::syscalls::table::entry::{Direction, Entry, Kind};
use filter::Filter;
use std::io::Write;

/// Where the results stand, if the call leaves room for it; a space always does.
const COLUMN: usize = 40;

/// Prints system calls.
pub struct Strace {
    filter: Filter,
    out: Box<dyn Write + Send>,
}

/// A line half written: what was known before the call.
pub struct Line {
    arguments: Vec<Option<String>>,
}

impl Strace {
    /// A tracer of the calls that pass the filter, writing to `out`.
    #[must_use]
    pub fn new(filter: Filter, out: Box<dyn Write + Send>) -> Self {
        Self { filter, out }
    }

    /// Whether a call is printed.
    #[must_use]
    pub fn shows(&self, entry: &Entry) -> bool {
        self.filter.passes(entry)
    }

    /// Renders what the program passed.
    #[must_use]
    pub fn enter(&self, process: &dyn Process, entry: &Entry, arguments: &[u64; 6]) -> Line {
        let shown = shown(entry, arguments);
        let memory = process.memory();
        let arguments = (0..shown)
            .map(|index| {
                let kind = entry.arguments.get(index)?.kind;
                (!is_filled(&kind)).then(|| {
                    values::render(entry, arguments, index)
                        .unwrap_or_else(|| blocks::before(memory, entry, arguments, index))
                })
            })
            .collect();
        Line { arguments }
    }

    /// Renders what the kernel filled and what the call returned, and writes the line.
    pub fn leave(
        &mut self,
        process: &dyn Process,
        entry: &Entry,
        arguments: &[u64; 6],
        line: Line,
        outcome: &Outcome,
    ) {
        let memory = process.memory();
        let rendered: Vec<String> = line
            .arguments
            .into_iter()
            .enumerate()
            .map(|(index, before)| {
                before.unwrap_or_else(|| blocks::after(memory, entry, arguments, index, outcome))
            })
            .collect();
        let mut result = values::result(entry, outcome);
        if let Some(trailer) = blocks::trailer(memory, entry, arguments, outcome) {
            result = format!("{result} ({trailer})");
        }
        let call = format!("{}({})", entry.name, rendered.join(", "));
        self.print(&format!(
            "{call:<width$}= {result}",
            width = COLUMN.max(call.len() + 1)
        ));
        match outcome {
            Outcome::Exit(status) | Outcome::ThreadExit(status) => {
                self.print(&format!("+++ exited with {status} +++"))
            }
            Outcome::Killed(signal) | Outcome::ThreadKilled(signal) => {
                self.print(&format!("+++ killed by {} +++", values::signal(*signal)));
            }
            Outcome::Value(_)
            | Outcome::Revoked { .. }
            | Outcome::Resumed
            | Outcome::Trapped { .. } => {}
        }
    }

    /// Prints a call that the table does not know.
    pub fn unknown(&mut self, number: u64, arguments: &[u64; 6]) {
        let [a, b, c, d, e, f] = arguments;
        let result = values::failure(libc::ENOSYS);
        self.print(&format!(
            "syscall_{number:#x}({a:#x}, {b:#x}, {c:#x}, {d:#x}, {e:#x}, {f:#x}) = {result}"
        ));
    }

    fn print(&mut self, line: &str) {
        // One write for a line keeps lines whole; a trace that cannot be written must not change
        // what the program sees.
        self.out.write_all(format!("{line}\n").as_bytes()).ok();
    }
}

/// Whether an argument is printed from what the kernel filled.
const fn is_filled(kind: &Kind) -> bool {
    match kind {
        Kind::SizedLength => true,
        Kind::DescriptorSet => false,
        Kind::Pointer(shape) => matches!(shape, crate::syscalls::table::entry::Shape::Longs),
        _ => matches!(kind.direction(), Some(Direction::Out)),
    }
}

/// How many arguments are meant: some calls take their last one only with certain flags.
fn shown(entry: &Entry, arguments: &[u64; 6]) -> usize {
    let count = entry.arguments.len();
    let flags = |index: usize| arguments.get(index).map_or(0, |word| *word as i32);
    let creates = libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY);
    let last = match entry.number {
        libc::SYS_open => flags(1) & creates != 0,
        libc::SYS_openat => flags(2) & creates != 0,
        libc::SYS_mremap => flags(3) & libc::MREMAP_FIXED != 0,
        libc::SYS_fcntl => !matches!(
            flags(1),
            libc::F_GETFD
                | libc::F_GETFL
                | libc::F_GETOWN
                | libc::F_GETLEASE
                | libc::F_GETPIPE_SZ
                | libc::F_GET_SEALS
        ),
        _ => true,
    };
    if last {
        count
    } else {
        count - 1
    }
}
