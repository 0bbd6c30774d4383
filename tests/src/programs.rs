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

mod allocators;
mod built;
mod busybox;
mod dynamic;
mod languages;
mod shells;

use std::fs;
use std::path::{Path, PathBuf};
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
                if !name.ends_with(".rs") {
                    compilation.flags.push("-O1".to_owned());
                }
                compilation.obtain(store)
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
const TOPICS: [&[Program]; 6] = [
    languages::CASES,
    built::CASES,
    busybox::CASES,
    allocators::CASES,
    shells::CASES,
    dynamic::CASES,
];

const BUSYBOX: Origin = Origin::Installed {
    path: "/bin/busybox",
    package: "busybox-static",
};

/// One case for every program and workload.
///
/// # Errors
/// None; the signature is that of the other sets.
pub fn cases(settings: &Settings) -> Result<Vec<Case>, BuildError> {
    let size = settings.size();
    let programs = TOPICS.into_iter().flatten();
    let cases = programs.map(|(name, origin, steps)| {
        let name = format!("programs::{name}");
        let title = name.clone();
        let make = move |origin: &Origin, store: &Store, size| {
            let built = origin.obtain(store)?;
            let built = built.as_path();
            steps(&Ground { built, store, size })
        };
        Case {
            name,
            build: Box::new(move |store| {
                // The steps may need inputs of either size, wherever they will run.
                make(origin, store, Size::Small)?;
                make(origin, store, Size::Full).map(drop)
            }),
            check: Box::new(move |context| {
                let steps = make(origin, &context.store, size)?;
                compare(context, &title, &steps)
            }),
        }
    });
    Ok(cases.collect())
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
