//! Third-party programs, built from their sources by the shell scripts under `programs/recipes/`.
//!
//! A recipe starts with comment lines `# source: A | B` (Debian source packages, the first that the
//! archive has; none if it holds its own sources) and `# makes: FILES` (what it leaves in its
//! output). It runs under `bash -euo pipefail` in an empty folder with `SOURCE`, `OUT` and `JOBS`
//! set; its output is kept in `build/test-logs/recipes/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use crate::settings;
use crate::source;
use crate::store::{remove_tree, BuildError, Store};

/// A recipe, read.
#[derive(Clone, Debug)]
pub struct Recipe {
    name: String,
    path: PathBuf,
    text: String,
}

impl Recipe {
    /// Reads `programs/recipes/NAME.sh`.
    ///
    /// # Errors
    /// When there is no such recipe.
    pub fn read(name: &str) -> Result<Self, BuildError> {
        let path = settings::package("programs/recipes").join(format!("{name}.sh"));
        let text = fs::read_to_string(&path).map_err(BuildError::file(&path))?;
        Ok(Self {
            name: name.to_owned(),
            path,
            text,
        })
    }

    /// The folder with what the recipe makes, made if it was not yet.
    ///
    /// # Errors
    /// When the source cannot be had, or the recipe fails or does not make what it says.
    pub fn obtain(&self, store: &Store) -> Result<PathBuf, BuildError> {
        store.obtain(&self.name, &[self.text.as_bytes()], |out| {
            let source = match self.field("source") {
                Ok(packages) => {
                    let packages: Vec<&str> = packages.split('|').map(str::trim).collect();
                    source::obtain(&packages, store)?
                }
                Err(_) => PathBuf::new(),
            };
            let work = settings::build("recipes").join(&self.name);
            remove_tree(&work)?;
            fs::create_dir_all(&work).map_err(BuildError::file(&work))?;
            self.run(&source, out, &work)?;
            for made in self.field("makes")?.split_whitespace() {
                if !out.join(made).exists() {
                    return Err(self.malformed(format!("did not make {made}")));
                }
            }
            remove_tree(&work)
        })
    }

    fn run(&self, source: &Path, out: &Path, work: &Path) -> Result<(), BuildError> {
        let logs = settings::build("test-logs/recipes");
        fs::create_dir_all(&logs).map_err(BuildError::file(&logs))?;
        let log = logs.join(format!("{}.log", self.name));
        let stdout = File::create(&log).map_err(BuildError::file(&log))?;
        let stderr = stdout.try_clone().map_err(BuildError::file(&log))?;
        let jobs = available_parallelism().map_or(1, usize::from);
        let status = Command::new("bash")
            .args(["-euo", "pipefail"])
            .arg(&self.path)
            .current_dir(work)
            .env("SOURCE", source)
            .env("OUT", out)
            .env("JOBS", jobs.to_string())
            // A make above this one must not hand down its own flags.
            .env_remove("MAKEFLAGS")
            .stdout(stdout)
            .stderr(stderr)
            .status()
            .map_err(|error| BuildError::Tool {
                tool: "bash".to_owned(),
                error,
                advice: "install bash".to_owned(),
            })?;
        if status.success() {
            return Ok(());
        }
        let text = fs::read(&log).map_err(BuildError::file(&log))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(25)..)
            .unwrap_or_default();
        Err(BuildError::Failed {
            what: self.name.clone(),
            output: format!("{}\n(all of it: {})", tail.join("\n"), log.display()),
        })
    }

    fn field(&self, key: &str) -> Result<&str, BuildError> {
        let lines = self.text.lines().map_while(|line| line.strip_prefix('#'));
        let mut fields = lines.filter_map(|line| line.split_once(':'));
        let field = fields.find(|(name, _)| name.trim() == key);
        field
            .map(|(_, value)| value.trim())
            .ok_or_else(|| self.malformed(format!("no `# {key}:`")))
    }

    fn malformed(&self, problem: String) -> BuildError {
        BuildError::Malformed {
            path: self.path.clone(),
            problem,
        }
    }
}
