//! Shells that start, join and control other programs.

use std::time::Duration;

use crate::comparison::Step;
use crate::store::BuildError;

use super::{file, text, unprotected, Ground, Origin, Program, BUSYBOX};

const BASH: Origin = Origin::Installed {
    path: "/bin/bash-static",
    package: "bash-static",
};
const DASH: Origin = Origin::Installed {
    path: "/bin/dash",
    package: "dash",
};

/// The cases.
pub(super) const CASES: &[Program] = &[
    ("stripped::bash", BASH, bash),
    ("processes::bash", Origin::Recipe("bash"), |g| {
        Ok(vec![processes(g.run("bash", &[]))])
    }),
    ("processes::bash_static", BASH, |g| {
        Ok(vec![processes(unprotected(g.run_it(&[])))])
    }),
    ("processes::busybox", BUSYBOX, |g| {
        Ok(vec![processes(unprotected(g.run_it(&["sh"])))])
    }),
    ("processes::dash", DASH, |g| {
        Ok(vec![processes(g.run_it(&[]))])
    }),
    ("processes::make", DASH, |g| {
        let mut step = g.run_it(&[&text(&file("project.sh"))]);
        step.environment = vec![("CC".to_owned(), "gcc".to_owned())];
        step.limit = Duration::from_secs(120);
        Ok(vec![step])
    }),
];

fn bash(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let mut step = ground.run_it(&["--norc", &text(&file("builtins.bash"))]);
    step.environment
        .push(("rounds".to_owned(), ground.amount(3_000, 300)));
    step.status = 3;
    step.unprotected = true;
    Ok(vec![step])
}

/// A shell that runs the script for shells.
fn processes(mut step: Step) -> Step {
    step.arguments.push(text(&file("processes.sh")));
    step.status = 7;
    step
}
