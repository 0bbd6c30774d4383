//! The end of the program.

use crate::process::Outcome;
use crate::syscalls::call::{Call, Stop};

/// `exit`, `exit_group`: the same while the process has one thread.
///
/// # Errors
/// The end of the program.
pub fn exit(call: &mut Call<'_>) -> Result<i64, Stop> {
    Err(Stop::End(Outcome::Exit(call.int(0) & 0xff)))
}
