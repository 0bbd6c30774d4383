//! What the environment asks of a test run, read once.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `DANGLESS_VMM` | the `dangless-vmm` to test (otherwise the one cargo built beside the tests) |
//! | `DANGLESS_TEST_RING` | `0` or `3`: force the ring |
//! | `DANGLESS_TEST_OPTIONS` | further options for the VMM, separated by spaces |
//! | `DANGLESS_TEST_SLOW` | a factor on every time limit; above 4, workloads take their small size |
//! | `DANGLESS_TEST_PREBUILT` | `1`: build nothing, a guest that is missing is a failure |
//! | `DANGLESS_TEST_POSIX` | `all`: the slow tests of the POSIX suite too |
//! | `DANGLESS_TEST_UPSTREAM` | `all`: the whole of the test suites that programs bring with them |
//! | `DANGLESS_TEST_VERBOSE` | `1`, as `-v`: show what programs printed even on success |

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// A variable that makes no sense, or a VMM that is not there.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A variable has a value that it cannot have.
    #[error("{name}={value}: expected {expected}")]
    Value {
        /// The variable.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// There is nothing to test.
    #[error("no dangless-vmm at {0}: build it with `cargo build --release`, or set DANGLESS_VMM")]
    NoVmm(PathBuf),
}

/// How much work the workloads are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// For machines that emulate the processor.
    Small,
    /// For everything else.
    Full,
}

/// The settings of one test run.
#[derive(Clone, Debug)]
pub struct Settings {
    vmm: PathBuf,
    ring: Option<String>,
    options: Vec<String>,
    slow: u32,
    /// Build nothing.
    pub prebuilt: bool,
    /// Show programs' output on success too.
    pub verbose: bool,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// When a variable has a value that it cannot have.
    pub fn from_environment() -> Result<Self, SettingsError> {
        let ring = one_of("DANGLESS_TEST_RING", &["0", "3"], "0 or 3")?;
        let slow = match env::var("DANGLESS_TEST_SLOW") {
            Err(_) => 1,
            Ok(value) => match value.parse() {
                Ok(factor) if (1..=1000).contains(&factor) => factor,
                _ => {
                    return Err(SettingsError::Value {
                        name: "DANGLESS_TEST_SLOW",
                        value,
                        expected: "a whole number from 1 to 1000",
                    })
                }
            },
        };
        Ok(Self {
            vmm: env::var_os("DANGLESS_VMM").map_or_else(built_vmm, PathBuf::from),
            ring,
            options: env::var("DANGLESS_TEST_OPTIONS")
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            slow,
            prebuilt: flag("DANGLESS_TEST_PREBUILT")?,
            verbose: flag("DANGLESS_TEST_VERBOSE")?,
        })
    }

    /// The VMM under test.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn vmm(&self) -> Result<&Path, SettingsError> {
        if self.vmm.is_file() {
            Ok(&self.vmm)
        } else {
            Err(SettingsError::NoVmm(self.vmm.clone()))
        }
    }

    /// Options to put before the program on the VMM's command line.
    #[must_use]
    pub fn vmm_options(&self) -> Vec<String> {
        self.ring
            .iter()
            .flat_map(|ring| ["--ring".to_owned(), ring.clone()])
            .chain(self.options.iter().cloned())
            .collect()
    }

    /// A time limit on this machine for what takes at most `normal` on an ordinary one.
    #[must_use]
    pub fn limit(&self, normal: Duration) -> Duration {
        normal * self.slow
    }

    /// The size that workloads should have here.
    #[must_use]
    pub fn size(&self) -> Size {
        if self.slow > 4 {
            Size::Small
        } else {
            Size::Full
        }
    }
}

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// A file or folder of this package's own sources.
#[must_use]
pub fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file or folder under the repository's build folder.
#[must_use]
pub fn build(path: &str) -> PathBuf {
    root().join("build").join(path)
}

/// `target/PROFILE/NAME`: what cargo has built beside this test binary.
#[must_use]
pub fn beside(name: &str) -> PathBuf {
    let folder = env::current_exe().ok().and_then(|test| {
        let folder = test.parent()?;
        // Tests are in a folder of their own, programs are not.
        let tests = folder.file_name().is_some_and(|last| last == "deps");
        Some(if tests { folder.parent()? } else { folder }.to_path_buf())
    });
    folder.map_or_else(
        || root().join("target/release").join(name),
        |folder| folder.join(name),
    )
}

/// The VMM beside this test binary, or else the release profile's.
fn built_vmm() -> PathBuf {
    let beside = beside("dangless-vmm");
    if beside.is_file() {
        beside
    } else {
        root().join("target/release/dangless-vmm")
    }
}

fn flag(name: &'static str) -> Result<bool, SettingsError> {
    Ok(one_of(name, &["0", "1"], "0 or 1")?.as_deref() == Some("1"))
}

fn one_of(
    name: &'static str,
    values: &[&str],
    expected: &'static str,
) -> Result<Option<String>, SettingsError> {
    match env::var(name) {
        Err(_) => Ok(None),
        Ok(value) if values.contains(&value.as_str()) => Ok(Some(value)),
        Ok(value) => Err(SettingsError::Value {
            name,
            value,
            expected,
        }),
    }
}
