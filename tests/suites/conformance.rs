//! The `conformance` cases; see `dangless_tests::conformance`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dangless_tests::suite::main(|_| dangless_tests::conformance::cases())
}
