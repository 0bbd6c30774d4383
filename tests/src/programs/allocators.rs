//! Other people's tests of malloc, a program that uses up its addresses, and programs whose own
//! malloc lends the memory of their objects.

use std::fs;

use crate::comparison::Step;
use crate::compile::Linking;
use crate::store::BuildError;

use super::{file, Ground, Origin, Program};

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
    (
        "allocator::lent::words",
        Origin::Source("words.c", Linking::Musl),
        lent_words,
    ),
    (
        "allocator::lent::containers",
        Origin::Source("containers.cc", Linking::Static),
        lent_words,
    ),
    ("allocator::lent::stress", Origin::Recipe("mimalloc"), |g| {
        Ok(vec![lent(g.run("stress", &["4", "2", "2"]))])
    }),
    (
        "allocator::lent::sqlite",
        Origin::Recipe("sqlite"),
        lent_sqlite,
    ),
    (
        "allocator::lent::shell",
        Origin::Installed {
            path: "/bin/bash",
            package: "bash",
        },
        lent_shell,
    ),
    (
        "allocator::lent::jemalloc",
        Origin::Installed {
            path: "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2",
            package: "libjemalloc2",
        },
        lent_preloaded,
    ),
    (
        "allocator::lent::mimalloc",
        Origin::Installed {
            path: "/usr/lib/x86_64-linux-gnu/libmimalloc.so.2",
            package: "libmimalloc2.0",
        },
        lent_preloaded,
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

/// Has the program's own malloc lend the memory.
fn lent(mut step: Step) -> Step {
    step.options = ["--aliasing", "program"].map(str::to_owned).to_vec();
    step
}

fn lent_words(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    Ok(vec![lent(ground.run_it(&[&ground.amount(2_000, 200)]))])
}

fn lent_sqlite(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let mut load = ground.run(
        "sqlite3",
        &["-batch", "-cmd", ".parameter set :rows 500", "data.db"],
    );
    load.input = Some(file("database.sql"));
    let check = ground.run("sqlite3", &["data.db", "PRAGMA integrity_check;"]);
    Ok(vec![lent(load), lent(check)])
}

fn lent_shell(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let script = "for i in 1 2 3; do x=$x$(echo $i | tr 1-3 a-c); done; echo $x; (exit 7); echo $?";
    Ok(vec![lent(ground.run_it(&["-c", script]))])
}

/// An interpreter over an allocator that takes the place of the C library's.
fn lent_preloaded(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let program = "print(len(repr([str(i) * (i % 50) for i in range(3000)])))";
    let mut step = Step::new("/usr/bin/python3", &["-I", "-S", "-c", program]);
    let preload = ground.built.to_string_lossy().into_owned();
    step.environment.push(("LD_PRELOAD".to_owned(), preload));
    Ok(vec![lent(step)])
}
