//! The `programs` cases; see `dangless_tests::programs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dangless_tests::suite::main(|context| dangless_tests::programs::cases(&context.settings))
}
