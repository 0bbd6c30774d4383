//! Real programs: each runs natively and in the guest, and must print and leave the same.
//!
//! | module | holds |
//! | --- | --- |
//! | [`built`] | programs built static from their sources |
//! | [`languages`] | interpreters, and programs of our own in several languages and linkings |
//! | [`allocators`] | other people's tests of malloc |
//! | [`busybox`] | BusyBox's tools |
//! | [`shells`] | shells and what they start |
//! | [`dynamic`] | programs as the distribution has them |
//! | [`parallel`] | programs that compute in several threads |
//! | [`servers`] | servers and their clients |
//! | [`upstream`] | the test suites that programs bring with them |

mod allocators;
mod built;
mod busybox;
mod dynamic;
mod languages;
mod parallel;
mod servers;
mod shells;
mod upstream;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::comparison::{compare, Step};
use crate::compile::{Compilation, Linking};
use crate::recipe::Recipe;
use crate::settings::{self, Settings, Size};
use crate::store::{BuildError, Store};
use crate::suite::Case;

/// Where a program comes from.
#[derive(Clone, Debug)]
enum Origin {
    /// A recipe makes it.
    Recipe(&'static str),
    /// It is one of our own sources.
    Source(&'static str, Linking),
    /// Cargo makes it beside the tests, since it needs other crates.
    Crate(&'static str),
    /// A Debian package has put it at this path.
    Installed {
        path: &'static str,
        package: &'static str,
    },
}

impl Origin {
    /// The folder of what a recipe made, or else the program itself.
    fn obtain(&self, store: &Store) -> Result<PathBuf, BuildError> {
        match self {
            Self::Recipe(name) => Recipe::read(name)?.obtain(store),
            Self::Source(name, linking) => {
                let path = settings::package("programs/sources").join(name);
                let mut compilation = Compilation::new(path, *linking);
                if name.ends_with(".c") || name.ends_with(".cc") {
                    compilation.flags.push("-O1".to_owned());
                }
                if name.starts_with("openmp") {
                    compilation.flags.push("-fopenmp".to_owned());
                }
                compilation.obtain(store)
            }
            Self::Crate(name) => {
                let path = settings::beside(name);
                fs::metadata(&path).map_err(BuildError::file(&path))?;
                Ok(path)
            }
            Self::Installed { path, package } => {
                let found = PathBuf::from(path);
                fs::metadata(&found).map_err(|error| BuildError::Tool {
                    tool: (*path).to_owned(),
                    error,
                    advice: format!("install {package}"),
                })?;
                Ok(found)
            }
        }
    }
}

/// What the steps of a case are made from.
struct Ground<'a> {
    /// What the origin gave.
    built: &'a Path,
    store: &'a Store,
    size: Size,
}

impl Ground<'_> {
    /// A number that depends on how fast the machine is, as an argument.
    fn amount(&self, full: u64, small: u64) -> String {
        match self.size {
            Size::Full => full,
            Size::Small => small,
        }
        .to_string()
    }

    /// A step that runs one of the recipe's programs.
    fn run(&self, program: &str, arguments: &[&str]) -> Step {
        let mut step = Step::new(self.built.join(program), arguments);
        step.limit = Duration::from_secs(120);
        step
    }

    /// A step that runs the program itself.
    fn run_it(&self, arguments: &[&str]) -> Step {
        let mut step = Step::new(self.built, arguments);
        step.limit = Duration::from_secs(60);
        step
    }
}

type Steps = fn(&Ground) -> Result<Vec<Step>, BuildError>;

/// A case: its name, where its program comes from, what is run.
type Program = (&'static str, Origin, Steps);

/// All cases, by topic.
const TOPICS: [&[Program]; 8] = [
    languages::CASES,
    built::CASES,
    busybox::CASES,
    allocators::CASES,
    shells::CASES,
    dynamic::CASES,
    parallel::CASES,
    servers::CASES,
];

const BUSYBOX: Origin = Origin::Installed {
    path: "/bin/busybox",
    package: "busybox-static",
};

/// One case for every program and workload.
///
/// # Errors
/// When a list of test suites cannot be read.
pub fn cases(settings: &Settings) -> Result<Vec<Case>, BuildError> {
    let size = settings.size();
    let programs = TOPICS.into_iter().flatten();
    let programs = programs.map(|(name, origin, steps)| case(name, origin.clone(), size, *steps));
    let mut cases: Vec<Case> = programs.collect();
    cases.extend(upstream::cases(size)?);
    Ok(cases)
}

/// The case of one program.
fn case<S>(name: &str, origin: Origin, size: Size, steps: S) -> Case
where
    S: Fn(&Ground) -> Result<Vec<Step>, BuildError> + Send + Sync + 'static,
{
    let name = format!("programs::{name}");
    let title = name.clone();
    let make = Arc::new(move |store: &Store, size| {
        let built = origin.obtain(store)?;
        let built = built.as_path();
        steps(&Ground { built, store, size })
    });
    let builder = Arc::clone(&make);
    Case {
        name,
        build: Box::new(move |store| {
            // The steps may need inputs of either size, wherever they will run.
            builder(store, Size::Small)?;
            builder(store, Size::Full).map(drop)
        }),
        check: Box::new(move |context| {
            let steps = make(&context.store, size)?;
            compare(context, &title, &steps)
        }),
    }
}

fn file(name: &str) -> PathBuf {
    settings::package("programs/workloads").join(name)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn unprotected(mut step: Step) -> Step {
    step.unprotected = true;
    step
}

fn rounds(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    Ok(vec![ground.run_it(&[&ground.amount(50_000, 1_000)])])
}
