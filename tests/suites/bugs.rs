//! The `bugs` cases; see `dangless_tests::bugs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dangless_tests::suite::main(|_| dangless_tests::bugs::cases())
}
