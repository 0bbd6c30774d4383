//! The test suites that programs bring with them, BusyBox's and bash's: each part has the same
//! results natively and in the guest, a line for each test.
//!
//! `programs/suites/` has the names of the parts, a list a suite: those marked `always` are run in
//! one case for each suite, but not where everything is slow. With `DANGLESS_TEST_UPSTREAM=all`
//! every part is a case of its own, anywhere; BusyBox is then built with all of its tools.

use std::fs;
use std::time::Duration;

use crate::comparison::Step;
use crate::settings::{self, Size};
use crate::store::BuildError;
use crate::suite::Case;

use super::{case, file, text, Ground, Origin};

/// How long the parts that are always run may take together.
const QUICK: Duration = Duration::from_secs(60);
/// How long any part may take: BusyBox's calculator runs for minutes.
const LONG: Duration = Duration::from_secs(900);

/// One case for each suite, or for each of its parts.
///
/// # Errors
/// When a list cannot be read.
pub(super) fn cases(size: Size) -> Result<Vec<Case>, BuildError> {
    let whole = std::env::var_os("DANGLESS_TEST_UPSTREAM").is_some_and(|value| value == "all");
    let mut cases = Vec::new();
    for (suite, steps, quick_recipe, whole_recipe) in [
        ("busybox", busybox as Suite, "busybox", "busybox-whole"),
        ("bash", bash, "bash", "bash"),
    ] {
        let parts = parts(suite)?;
        if whole {
            for (part, _) in parts {
                let name = format!("upstream::{suite}::{part}");
                let origin = Origin::Recipe(whole_recipe);
                cases.push(case(&name, origin, size, move |ground| {
                    Ok(vec![steps(ground, &[&part], LONG)])
                }));
            }
        } else if size == Size::Full {
            let origin = Origin::Recipe(quick_recipe);
            let name = format!("upstream::{suite}");
            cases.push(case(&name, origin, size, move |ground| {
                let always = parts.iter().filter(|(_, always)| *always);
                let names: Vec<&str> = always.map(|(part, _)| part.as_str()).collect();
                Ok(vec![steps(ground, &names, QUICK)])
            }));
        }
    }
    Ok(cases)
}

type Suite = fn(&Ground, &[&str], Duration) -> Step;

fn busybox(ground: &Ground, parts: &[&str], limit: Duration) -> Step {
    run(
        Step::new("/bin/dash", &[]),
        "busybox_tests.sh",
        ground,
        parts,
        limit,
    )
}

fn bash(ground: &Ground, parts: &[&str], limit: Duration) -> Step {
    let shell = Step::new(ground.built.join("bash"), &[]);
    run(shell, "bash_tests.sh", ground, parts, limit)
}

/// A shell that runs the script for a suite.
fn run(mut shell: Step, script: &str, ground: &Ground, parts: &[&str], limit: Duration) -> Step {
    shell.arguments = vec![text(&file(script)), text(ground.built)];
    shell
        .arguments
        .extend(parts.iter().map(|&part| part.to_owned()));
    shell.limit = limit;
    shell
}

/// The parts that a list names, and whether each is always run; `#` starts a comment.
fn parts(suite: &str) -> Result<Vec<(String, bool)>, BuildError> {
    let path = settings::package("programs/suites").join(format!("{suite}.txt"));
    let list = fs::read_to_string(&path).map_err(BuildError::file(&path))?;
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let parts = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next() == Some("always")))
    });
    Ok(parts.collect())
}
