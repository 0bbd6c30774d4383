//! The built guests: folders under `build/guests/`, named by what they were built from.
//!
//! A folder appears complete or not at all, and is never changed afterwards, so runs in parallel
//! and interrupted builds cannot leave a half-built guest behind.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{flock, FlockOperation};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::settings;

/// A guest could not be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A file or folder could not be used.
    #[error("{path}: {error}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A tool is not installed, or cannot be started.
    #[error("cannot run {tool} ({error}); {advice}")]
    Tool {
        /// The tool.
        tool: String,
        /// Why not.
        error: io::Error,
        /// What to do about it.
        advice: String,
    },
    /// A tool ran and failed.
    #[error("building {what} failed:\n{output}")]
    Failed {
        /// What was being built.
        what: String,
        /// What the tool printed, or where it is kept.
        output: String,
    },
    /// Building is not allowed in this run.
    #[error(
        "{0} is not built: run `cargo run --release -p dangless-tests --bin build-guests` first"
    )]
    NotBuilt(PathBuf),
    /// A recipe or source file does not say what it should.
    #[error("{path}: {problem}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        problem: String,
    },
}

impl BuildError {
    /// Wraps an error about one path.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { path, error }
    }
}

/// Where built guests are kept.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    prebuilt: bool,
}

impl Store {
    /// The repository's store; a `prebuilt` one builds nothing.
    #[must_use]
    pub fn new(prebuilt: bool) -> Self {
        Self {
            folder: settings::build("guests"),
            prebuilt,
        }
    }

    /// The folder that `build` fills, made now or at some earlier time from the same `inputs`.
    ///
    /// # Errors
    /// When `build` fails, or the folder is missing from a prebuilt store.
    pub fn obtain(
        &self,
        name: &str,
        inputs: &[&[u8]],
        build: impl FnOnce(&Path) -> Result<(), BuildError>,
    ) -> Result<PathBuf, BuildError> {
        let entry = format!("{name}-{}", key(inputs));
        let folder = self.folder.join(&entry);
        if folder.is_dir() {
            return Ok(folder);
        }
        if self.prebuilt {
            return Err(BuildError::NotBuilt(folder));
        }
        let locks = self.folder.join("locks");
        fs::create_dir_all(&locks).map_err(BuildError::file(&locks))?;
        let lock = locks.join(&entry);
        let held = File::create(&lock).map_err(BuildError::file(&lock))?;
        flock(&held, FlockOperation::LockExclusive)
            .map_err(|error| BuildError::file(&lock)(error.into()))?;
        if folder.is_dir() {
            return Ok(folder);
        }
        let unfinished = self.folder.join("unfinished").join(&entry);
        remove_tree(&unfinished)?;
        fs::create_dir_all(&unfinished).map_err(BuildError::file(&unfinished))?;
        build(&unfinished)?;
        fs::rename(&unfinished, &folder).map_err(BuildError::file(&folder))?;
        Ok(folder)
    }
}

/// Removes a folder and all it holds; one that is not there is fine.
///
/// # Errors
/// When something in it cannot be removed.
pub fn remove_tree(folder: &Path) -> Result<(), BuildError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BuildError::file(folder)(error))
        }
        _ => Ok(()),
    }
}

fn key(inputs: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for input in inputs {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update(input.len().to_le_bytes());
        hash.update(input);
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
