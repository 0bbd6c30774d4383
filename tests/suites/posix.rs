//! The `posix` cases; see `dangless_tests::posix`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dangless_tests::suite::main(|_| dangless_tests::posix::cases())
}
