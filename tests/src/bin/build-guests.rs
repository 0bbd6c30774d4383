//! Builds every guest that the tests run, for runs on a machine that cannot build.

use std::process::ExitCode;
use std::time::Instant;

use dangless_tests::settings::Settings;
use dangless_tests::store::Store;
use dangless_tests::{bugs, conformance, posix, programs, suite};

fn main() -> ExitCode {
    let start = Instant::now();
    let cases = Settings::from_environment()
        .map_err(|error| error.to_string())
        .and_then(|settings| {
            // Recipes take longest, so they go first.
            let mut cases = programs::cases(&settings).map_err(|error| error.to_string())?;
            // One guest serves all of its cases.
            cases.extend(
                posix::cases()
                    .map_err(|error| error.to_string())?
                    .into_iter()
                    .take(1),
            );
            cases.extend(bugs::cases().map_err(|error| error.to_string())?);
            cases.extend(conformance::cases().map_err(|error| error.to_string())?);
            Ok(cases)
        });
    let cases = match cases {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("build-guests: {error}");
            return ExitCode::FAILURE;
        }
    };
    let whole = suite::build_all(&cases, &Store::new(false));
    let seconds = start.elapsed().as_secs();
    println!(
        "build-guests: the guests of {} cases, {seconds} s",
        cases.len()
    );
    if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
