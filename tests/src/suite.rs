//! A test binary's `main`: cases, each a test of its own, two at a time.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use thiserror::Error;

use crate::console;
use crate::execution::{End, ExecutionError, Outcome};
use crate::settings::{Settings, SettingsError};
use crate::store::{BuildError, Store};

/// Cases that run at the same time unless `--test-threads` says otherwise.
const PARALLEL: usize = 2;

/// What every case needs.
#[derive(Clone, Debug)]
pub struct Context {
    /// What the environment asks for.
    pub settings: Settings,
    /// The built guests.
    pub store: Store,
}

impl Context {
    /// Reads the environment.
    ///
    /// # Errors
    /// When the environment asks for something that cannot be.
    pub fn from_environment() -> Result<Self, SettingsError> {
        let settings = Settings::from_environment()?;
        let store = Store::new(settings.prebuilt);
        Ok(Self { settings, store })
    }
}

/// What a program did, to be shown.
#[derive(Debug)]
pub struct Evidence {
    /// Which run it was.
    pub what: String,
    /// Where its logs are, without extension.
    pub log: PathBuf,
    /// How it ended.
    pub end: End,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

impl Evidence {
    /// The evidence that an outcome gives.
    #[must_use]
    pub fn new(what: impl Into<String>, log: &Path, outcome: &Outcome) -> Self {
        Self {
            what: what.into(),
            log: log.to_path_buf(),
            end: outcome.end,
            stdout: outcome.stdout.clone(),
            stderr: outcome.stderr.clone(),
        }
    }
}

/// Why a case did not pass.
#[derive(Debug, Error)]
pub enum Failure {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A guest could not be built, or a file not be used.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A program could not be run.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// A program did something else than it should have.
    #[error("{}", problems.join("\n"))]
    Wrong {
        /// What was wrong.
        problems: Vec<String>,
        /// What the programs did.
        evidence: Vec<Evidence>,
    },
}

type Build = Box<dyn Fn(&Store) -> Result<(), BuildError> + Send + Sync>;
type Check = Box<dyn Fn(&Context) -> Result<Vec<Evidence>, Failure> + Send + Sync>;

/// One test.
pub struct Case {
    /// Its name, parts separated by `::`.
    pub name: String,
    /// Builds the guests it runs.
    pub build: Build,
    /// Runs them and judges.
    pub check: Check,
}

/// Runs a test binary over these cases with the command line of this process.
#[must_use]
pub fn main(cases: impl FnOnce(&Context) -> Result<Vec<Case>, BuildError>) -> ExitCode {
    let mut verbose = false;
    let words = std::env::args().filter(|word| {
        let ours = word == "-v" || word == "--verbose";
        verbose |= ours;
        !ours
    });
    let mut arguments = Arguments::from_iter(words.collect::<Vec<_>>());
    arguments.test_threads = arguments.test_threads.or(Some(PARALLEL));
    let context = match Context::from_environment() {
        Ok(context) => context,
        Err(error) => return refuse(&error),
    };
    verbose |= context.settings.verbose;
    let cases = match cases(&context) {
        Ok(cases) => cases,
        Err(error) => return refuse(&error),
    };
    let context = Arc::new(context);
    let trials = cases.into_iter().map(|case| {
        let context = Arc::clone(&context);
        Trial::test(case.name.clone(), move || {
            (case.build)(&context.store).map_err(|error| failed(&error.into()))?;
            let evidence = (case.check)(&context).map_err(|failure| failed(&failure))?;
            if verbose {
                print!("{}", console::success(&case.name, &evidence));
            }
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn failed(failure: &Failure) -> Failed {
    Failed::from(console::failure(failure))
}

fn refuse(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("dangless-tests: {error}");
    ExitCode::FAILURE
}

/// Builds the guests of all cases, two at a time; reports each that fails and answers whether all
/// were built.
#[must_use]
pub fn build_all(cases: &[Case], store: &Store) -> bool {
    let next = AtomicUsize::new(0);
    let failures = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = (case.build)(store) {
                        failures.fetch_add(1, Ordering::Relaxed);
                        eprintln!("{}: {error}", case.name);
                    }
                }
            });
        }
    });
    failures.into_inner() == 0
}
