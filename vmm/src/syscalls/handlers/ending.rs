//! The end of the program, and of one of its threads.

use crate::process::Outcome;
use crate::syscalls::call::{Call, Stop};

/// `exit_group`
///
/// # Errors
/// The end of the program.
pub fn exit_group(call: &mut Call<'_>) -> Result<i64, Stop> {
    Err(Stop::End(Outcome::Exit(call.int(0) & 0xff)))
}

/// `exit`
///
/// # Errors
/// The end of the thread.
pub fn exit(call: &mut Call<'_>) -> Result<i64, Stop> {
    Err(Stop::End(Outcome::ThreadExit(call.int(0) & 0xff)))
}
