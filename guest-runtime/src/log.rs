//! Logging at any point of the runtime, without allocating and without the program's stdio.
//!
//! A line is formatted into a buffer on the stack and handed to the VMM in one exit; nothing is
//! shared, so vCPUs log concurrently, and the VMM writes whole lines. [`Context`] nests: lines
//! logged while one lives are indented below its own.

use crate::{area, exit};
use core::fmt::{self, Write};

/// Detail of a line, as in `Config::log_level`.
pub mod level {
    /// Steps of an operation.
    pub const DEBUG: u64 = 4;
}

/// One line of at most 240 bytes; what does not fit is cut.
pub struct Line {
    bytes: [u8; 240],
    length: usize,
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Self {
            bytes: [0; 240],
            length: 0,
        }
    }

    /// What was written so far.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let taken = room.len().min(text.len());
        for (to, from) in room.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        self.length += taken;
        Ok(())
    }
}

/// Whether lines of this level are wanted.
pub fn is_wanted(level: u64) -> bool {
    area::config().log_level >= level
}

/// Logs one line, indented by the contexts that are open on this vCPU.
pub fn line(level: u64, text: fmt::Arguments<'_>) {
    if !is_wanted(level) {
        return;
    }
    let mut line = Line::new();
    // SAFETY: the area is this vCPU's own; a plain word is read.
    let depth = unsafe { (*area::current()).log_depth };
    for _ in 0..depth.min(16) {
        let _ = line.write_str("  ");
    }
    let _ = line.write_fmt(text);
    exit::log(line.as_bytes(), level);
}

/// A named section of the log: what is logged until it is dropped is indented.
pub struct Context(());

impl Context {
    /// Logs the section's title and opens it.
    pub fn open(level: u64, title: fmt::Arguments<'_>) -> Self {
        line(level, title);
        // SAFETY: the area is this vCPU's own; a plain word is written.
        unsafe { (*area::current()).log_depth += 1 };
        Self(())
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: as in `open`.
        unsafe { (*area::current()).log_depth -= 1 };
    }
}
