//! The bug corpus held against AddressSanitizer; nothing here runs in the guest.

use std::process::ExitCode;

use dangless_tests::bugs;

fn main() -> ExitCode {
    dangless_tests::suite::main(|context| {
        if context.settings.prebuilt {
            // The corpus is the same wherever it runs: once, where it is built, is enough.
            println!("oracle: native only, nothing to do in a prebuilt run");
            return Ok(Vec::new());
        }
        bugs::oracle_cases()
    })
}
