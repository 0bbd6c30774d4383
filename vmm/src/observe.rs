//! Watching a program: its system calls, the runtime's log, notes to the user.

use crate::descriptor;
use crate::machine::thread::Thread;
use crate::process::Outcome;
use crate::syscalls::observer::Observer as Calls;
use crate::syscalls::stats::Stats;
use crate::syscalls::strace::filter::Filter;
use crate::syscalls::strace::Strace;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

/// What is to be watched.
#[derive(Debug, Default)]
pub struct Watch {
    /// System calls to print.
    strace: Option<Filter>,
    /// Whether system calls are counted.
    stats: bool,
    /// Where the runtime's log goes, if not to standard error.
    log: Option<OwnedFd>,
    /// Detail of the runtime's log: 0 none, 1 errors to 5 every step.
    log_level: u64,
    /// Whether details are told: unknown system calls, programs left to the host.
    verbose: bool,
    /// Whether the user is told of what concerns the whole run.
    notes: bool,
}

impl Watch {
    /// Prints the system calls that pass `filter` to standard error.
    #[must_use]
    pub fn strace(mut self, filter: Filter) -> Self {
        self.strace = Some(filter);
        self
    }

    /// Counts system calls.
    #[must_use]
    pub fn stats(mut self, count: bool) -> Self {
        self.stats = count;
        self
    }

    /// Writes the runtime's log to `file`.
    ///
    /// # Errors
    /// When the file's descriptor cannot be moved out of the program's way.
    pub fn log(mut self, file: File) -> io::Result<Self> {
        self.log = Some(descriptor::hide(file.as_raw_fd())?);
        Ok(self)
    }

    /// Detail of the runtime's log: 0 none, 1 errors to 5 every step.
    #[must_use]
    pub fn log_level(mut self, level: u64) -> Self {
        self.log_level = level;
        self
    }

    /// Names unknown system calls once.
    #[must_use]
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// Tells the user on standard error of what concerns the whole run, such as a program whose
    /// heap cannot be protected.
    #[must_use]
    pub fn notes(mut self, tell: bool) -> Self {
        self.notes = tell;
        self
    }

    /// The detail wanted of the runtime's log.
    pub(crate) fn wanted_level(&self) -> u64 {
        self.log_level
    }

    /// The descriptor that the program's thread must keep.
    pub(crate) fn kept(&self) -> Option<RawFd> {
        self.log.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Starts watching, on the program's thread.
    pub(crate) fn observer(self) -> io::Result<Observer> {
        let mut hidden: Vec<RawFd> = self.kept().into_iter().collect();
        // The program may close or redirect its own standard error; it may also have none.
        let mut error = || {
            let copy = descriptor::hide(libc::STDERR_FILENO)?;
            hidden.push(copy.as_raw_fd());
            Ok::<_, io::Error>(File::from(copy))
        };
        let mut calls = None;
        if self.strace.is_some() || self.stats || self.verbose {
            let mut watcher = Calls::default();
            if let Some(filter) = self.strace {
                watcher.strace = Some(Strace::new(filter, Box::new(error()?)));
            }
            if self.verbose {
                watcher.notes = Some(Box::new(error()?));
            }
            watcher.stats = self.stats.then(Stats::default);
            calls = Some(Mutex::new(watcher));
        }
        Ok(Observer {
            calls,
            log: self.log.map(File::from),
            error: error().ok(),
            notes: self.notes,
            verbose: self.verbose,
            hidden,
        })
    }
}

/// Watches one program, whichever of its threads does something.
#[derive(Default)]
pub struct Observer {
    calls: Option<Mutex<Calls>>,
    log: Option<File>,
    error: Option<File>,
    notes: bool,
    verbose: bool,
    hidden: Vec<RawFd>,
}

impl Observer {
    /// Descriptors that the program must not see.
    #[must_use]
    pub fn hidden(&self) -> &[RawFd] {
        &self.hidden
    }

    /// Serves a system call of `thread`, watched.
    pub fn dispatch(&self, thread: &mut Thread, number: u64, arguments: [u64; 6]) -> Outcome {
        crate::syscalls::dispatch(thread, number, arguments, self.calls.as_ref())
    }

    /// Tells the user something.
    pub fn note(&self, text: &str) {
        if let (true, Some(mut error)) = (self.notes, self.error.as_ref()) {
            // Nobody is left to tell if standard error is gone.
            let _ = error.write_all(format!("dangless-vmm: {text}\n").as_bytes());
        }
    }

    /// Tells the user a detail, if details are wanted.
    pub fn remark(&self, text: &str) {
        if self.verbose {
            self.note(text);
        }
    }

    /// Keeps everything as it is while the result is held.
    pub fn freeze(&self) -> impl Sized + '_ {
        let calls = self.calls.as_ref();
        calls.map(|calls| calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A line of the runtime's log.
    pub fn log(&self, level: u64, text: &str) {
        let name = match level {
            1 => "error",
            2 => "warn",
            3 => "info",
            4 => "debug",
            _ => "trace",
        };
        if let Some(mut to) = self.log.as_ref().or(self.error.as_ref()) {
            // As in `note`.
            let _ = to.write_all(format!("dangless-vmm: runtime: {name}: {text}\n").as_bytes());
        }
    }

    /// The table of system calls, if they were counted.
    #[must_use]
    pub fn statistics(&self) -> Option<String> {
        let calls = self.calls.as_ref()?;
        let calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.stats.as_ref().map(ToString::to_string)
    }
}
