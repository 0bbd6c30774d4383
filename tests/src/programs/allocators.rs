//! Other people's tests of malloc, and a program that uses up its addresses.

use std::fs;

use crate::comparison::Step;
use crate::compile::Linking;
use crate::store::BuildError;

use super::{Ground, Origin, Program};

/// The cases.
pub(super) const CASES: &[Program] = &[
    (
        "reclaim::endless",
        Origin::Source("endless.c", Linking::Static),
        endless,
    ),
    (
        "reclaim::threads",
        Origin::Source("endless_threads.c", Linking::Static),
        endless_threads,
    ),
    (
        "allocator::glibc",
        Origin::Recipe("glibc-malloc"),
        glibc_malloc,
    ),
    ("allocator::stress", Origin::Recipe("mimalloc"), |g| {
        // Threads, percent of the load, rounds.
        Ok(vec![
            g.run("stress", &["4", &g.amount(20, 2), &g.amount(4, 2)])
        ])
    }),
];

/// glibc's own tests of its malloc.
fn glibc_malloc(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let list = ground.built.join("list");
    let names = fs::read_to_string(&list).map_err(BuildError::file(&list))?;
    let step = |name| {
        let mut step = ground.run(name, &[]);
        if name == "tst-malloc-too-large" {
            // Over a million calls that fail; walking their stacks would take most of a minute.
            step.options = vec!["--stack-depth".to_owned(), "0".to_owned()];
        }
        step
    };
    Ok(names.lines().map(step).collect())
}

/// The same with several threads.
fn endless_threads(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let amounts = [
        ground.amount(50_000, 2000),
        "2".to_owned(),
        ground.amount(20_000, 5000),
    ];
    let mut step = ground.run_it(&amounts.each_ref().map(String::as_str));
    step.options = ["--alias-size", "4G", "--stack-depth", "0"]
        .map(str::to_owned)
        .to_vec();
    Ok(vec![step])
}

/// A program that uses up its addresses many times.
fn endless(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let mut step = ground.run_it(&[&ground.amount(2_000_000, 50_000)]);
    step.options = ["--alias-size", "4G", "--stack-depth", "0"]
        .map(str::to_owned)
        .to_vec();
    Ok(vec![step])
}
