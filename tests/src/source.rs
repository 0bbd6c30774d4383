//! Debian source packages, fetched with apt from the archive that this machine is set up for.
//!
//! The package lists are the harness's own, under `build/sources/apt/`: the machine's settings are
//! read, never changed, and no privilege is needed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::fs::{flock, FlockOperation};

use crate::compile::run_tool;
use crate::settings;
use crate::store::{BuildError, Store};

/// Lists younger than this are used again.
const FRESH: Duration = Duration::from_secs(3600);

/// The unpacked source of the first of these packages that the archive has.
///
/// # Errors
/// When the archive cannot be reached or has none of them.
pub fn obtain(packages: &[&str], store: &Store) -> Result<PathBuf, BuildError> {
    let release = release()?;
    let wanted = packages.join(" ");
    let name = format!("source-{}", packages.last().unwrap_or(&"none"));
    let folder = store.obtain(&name, &[wanted.as_bytes(), release.as_bytes()], |folder| {
        let archive = Archive::open()?;
        let mut last = Err(BuildError::Malformed {
            path: folder.to_path_buf(),
            problem: "no source package asked for".to_owned(),
        });
        for package in packages {
            // The base suite, because mirrors of the others lag behind their own lists.
            last = archive.fetch(&format!("{package}/{release}"), folder);
            if last.is_ok() {
                break;
            }
        }
        last
    })?;
    unpacked(&folder)
}

/// The one folder that a source package unpacks to.
fn unpacked(folder: &Path) -> Result<PathBuf, BuildError> {
    for item in fs::read_dir(folder).map_err(BuildError::file(folder))? {
        let path = item.map_err(BuildError::file(folder))?.path();
        if path.is_dir() {
            return Ok(path);
        }
    }
    Err(BuildError::Malformed {
        path: folder.to_path_buf(),
        problem: "no unpacked source".to_owned(),
    })
}

/// The release this machine runs, as its archive calls it.
fn release() -> Result<String, BuildError> {
    let path = Path::new("/etc/os-release");
    let text = fs::read_to_string(path).map_err(BuildError::file(path))?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.map(|name| name.trim_matches('"').to_owned())
        .ok_or_else(|| BuildError::Malformed {
            path: path.to_path_buf(),
            problem: "no VERSION_CODENAME; Debian or Ubuntu is needed".to_owned(),
        })
}

/// The archive, with lists of our own; held by one process at a time.
struct Archive {
    folder: PathBuf,
    _lock: File,
}

impl Archive {
    fn open() -> Result<Self, BuildError> {
        let folder = settings::build("sources/apt");
        for part in ["parts", "lists/partial", "cache/archives/partial"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).map_err(BuildError::file(&part))?;
        }
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(BuildError::file(&path))?;
        flock(&lock, FlockOperation::LockExclusive)
            .map_err(|error| BuildError::file(&path)(error.into()))?;
        let archive = Self {
            folder,
            _lock: lock,
        };
        archive.refresh()?;
        Ok(archive)
    }

    /// Brings the lists up to date unless they are fresh.
    fn refresh(&self) -> Result<(), BuildError> {
        let stamp = self.folder.join("updated");
        let age = stamp.metadata().and_then(|data| data.modified());
        if age.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < FRESH)) {
            return Ok(());
        }
        self.write_sources()?;
        run_tool(self.apt().arg("update"), "the lists of source packages")?;
        File::create(&stamp).map_err(BuildError::file(&stamp))?;
        Ok(())
    }

    /// Writes the machine's own distribution sources, turned from binary to source packages.
    fn write_sources(&self) -> Result<(), BuildError> {
        let places = [
            "sources.list",
            "sources.list.d/debian.sources",
            "sources.list.d/ubuntu.sources",
        ];
        for place in places {
            let from = Path::new("/etc/apt").join(place);
            if !from.is_file() {
                continue;
            }
            let text = fs::read_to_string(&from).map_err(BuildError::file(&from))?;
            let lines = text.lines().filter_map(|line| match line.split_once(' ') {
                Some(("deb", rest)) => Some(format!("deb-src {rest}\n")),
                Some(("Types:", _)) => Some("Types: deb-src\n".to_owned()),
                Some(("deb-src", _)) => None,
                _ => Some(format!("{line}\n")),
            });
            let to = self
                .folder
                .join("parts")
                .join(from.file_name().unwrap_or_default());
            fs::write(&to, lines.collect::<String>()).map_err(BuildError::file(&to))?;
        }
        Ok(())
    }

    /// Fetches and unpacks one source package into `folder`.
    fn fetch(&self, package: &str, folder: &Path) -> Result<(), BuildError> {
        let mut command = self.apt();
        command
            .args(["source", "--only-source", package])
            .current_dir(folder);
        run_tool(&mut command, &format!("source package {package}"))
    }

    fn apt(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.args([
            "-qq",
            "-o",
            "Acquire::Retries=3",
            "-o",
            "APT::Sandbox::User=root",
        ]);
        command.args(["-o", "Dir::Etc::sourcelist=/dev/null"]);
        command.args(["-o", "Dir::State::status=/var/lib/dpkg/status"]);
        for (name, place) in [
            ("Dir::Etc::sourceparts", "parts"),
            ("Dir::State::lists", "lists"),
            ("Dir::Cache", "cache"),
        ] {
            let place = self.folder.join(place);
            command.arg("-o").arg(format!("{name}={}", place.display()));
        }
        command
    }
}
