//! Programs as the distribution has them, and every way to load and preload an object.

use std::time::Duration;

use crate::comparison::Step;
use crate::compile::Linking;
use crate::settings;
use crate::store::BuildError;

use super::{file, rounds, text, unprotected, Ground, Origin, Program};

/// The cases.
pub(super) const CASES: &[Program] = &[
    (
        "dynamic::containers",
        Origin::Source("containers.cc", Linking::Dynamic),
        rounds,
    ),
    (
        "dynamic::collections",
        Origin::Source("collections.rs", Linking::Dynamic),
        rounds,
    ),
    (
        "dynamic::words",
        Origin::Source("words.c", Linking::MuslDynamic),
        rounds,
    ),
    ("dynamic::libraries", Origin::Recipe("libraries"), libraries),
    (
        "dynamic::python",
        Origin::Installed {
            path: "/usr/bin/python3",
            package: "python3",
        },
        installed_python,
    ),
    (
        "dynamic::perl",
        Origin::Installed {
            path: "/usr/bin/perl",
            package: "perl",
        },
        perl,
    ),
    (
        "dynamic::sqlite",
        Origin::Installed {
            path: "/usr/bin/sqlite3",
            package: "sqlite3",
        },
        installed_sqlite,
    ),
    (
        "dynamic::git",
        Origin::Installed {
            path: "/usr/bin/git",
            package: "git",
        },
        git,
    ),
    (
        "dynamic::gcc",
        Origin::Installed {
            path: "/usr/bin/gcc",
            package: "gcc",
        },
        gcc,
    ),
    (
        "dynamic::curl",
        Origin::Installed {
            path: "/usr/bin/curl",
            package: "curl",
        },
        |_| {
            let script = text(&file("fetch.bash"));
            let mut step = Step::new("/bin/bash", &["--norc", &script]);
            step.limit = Duration::from_secs(60);
            Ok(vec![step])
        },
    ),
    (
        "dynamic::node",
        Origin::Installed {
            path: "/usr/bin/node",
            package: "nodejs",
        },
        |g| {
            let script = text(&file("work.js"));
            Ok(vec![g.run_it(&[&script, &g.amount(20_000, 1_000)])])
        },
    ),
    (
        "dynamic::linker",
        Origin::Installed {
            path: "/lib64/ld-linux-x86-64.so.2",
            package: "libc6",
        },
        |g| Ok(vec![unprotected(g.run_it(&["/bin/ls", "/"]))]),
    ),
];

fn installed_python(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let mut steps = Vec::new();
    for (script, full, small) in [
        ("json_work.py", 3_000, 200),
        ("dict_work.py", 5_000, 500),
        ("library_work.py", 5_000, 500),
    ] {
        let script = text(&file(script));
        let mut step = ground.run_it(&["-I", "-B", &script, &ground.amount(full, small)]);
        step.environment = vec![
            ("PYTHONMALLOC".to_owned(), "malloc".to_owned()),
            ("PYTHONHASHSEED".to_owned(), "0".to_owned()),
        ];
        steps.push(step);
    }
    Ok(steps)
}

/// The compiler, its passes and what it made.
fn gcc(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let source = text(&settings::package("programs/sources").join("words.c"));
    Ok(vec![
        ground.run_it(&["-O1", "-o", "words", &source]),
        Step::new("./words", &["100"]),
        ground.run_it(&["-O2", "-S", "-o", "words.s", &source]),
    ])
}

fn perl(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let script = text(&file("words.pl"));
    let mut step = ground.run_it(&[&script, &ground.amount(20_000, 500)]);
    step.environment
        .push(("PERL_HASH_SEED".to_owned(), "0".to_owned()));
    Ok(vec![step])
}

fn installed_sqlite(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let rows = format!(".parameter set :rows {}", ground.amount(10_000, 1_000));
    let mut load = ground.run_it(&["-batch", "-cmd", &rows, "data.db"]);
    load.input = Some(file("database.sql"));
    Ok(vec![load, ground.run_it(&["data.db", ".dump items"])])
}

/// A repository made, filled, changed, packed and checked, without what needs a second process.
fn git(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let sources = text(&settings::package("programs/workloads"));
    let calls: &[&[&str]] = &[
        &["init", "-q", "-b", "main", "repository"],
        &["-C", "repository", "--work-tree", &sources, "add", "."],
        &["-C", "repository", "commit", "-q", "-m", "first"],
        &["-C", "repository", "log", "--stat", "--no-color"],
        &["-C", "repository", "ls-tree", "-r", "HEAD"],
        &["-C", "repository", "checkout", "-q", "-f", "HEAD"],
        &["-C", "repository", "grep", "-n", "SELECT"],
        &["-C", "repository", "rm", "-q", "sort.lua"],
        &["-C", "repository", "diff", "--cached", "--no-color"],
        &["-C", "repository", "commit", "-q", "-m", "second"],
        &["-C", "repository", "rev-list", "--objects", "HEAD"],
        &["-C", "repository", "blame", "-s", "hello.c"],
        &["-C", "repository", "fsck", "--strict"],
        // The index holds when its files were made.
        &["-C", "repository", "read-tree", "--empty"],
    ];
    let settings = [
        ("HOME", "/nonexistent"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "A"),
        ("GIT_AUTHOR_EMAIL", "a@example.org"),
        ("GIT_AUTHOR_DATE", "2024-01-02T03:04:05Z"),
        ("GIT_COMMITTER_NAME", "A"),
        ("GIT_COMMITTER_EMAIL", "a@example.org"),
        ("GIT_COMMITTER_DATE", "2024-01-02T03:04:05Z"),
        ("GIT_PAGER", ""),
        ("GIT_CONFIG_COUNT", "5"),
        ("GIT_CONFIG_KEY_0", "maintenance.auto"),
        ("GIT_CONFIG_VALUE_0", "false"),
        ("GIT_CONFIG_KEY_1", "core.preloadIndex"),
        ("GIT_CONFIG_VALUE_1", "false"),
        ("GIT_CONFIG_KEY_2", "grep.threads"),
        ("GIT_CONFIG_VALUE_2", "1"),
        ("GIT_CONFIG_KEY_3", "core.commitGraph"),
        ("GIT_CONFIG_VALUE_3", "false"),
        ("GIT_CONFIG_KEY_4", "core.multiPackIndex"),
        ("GIT_CONFIG_VALUE_4", "false"),
    ];
    let step = |call: &&[&str]| {
        let mut step = ground.run_it(call);
        let pairs = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        step.environment.extend(pairs);
        step
    };
    Ok(calls.iter().map(step).collect())
}

/// Programs of several objects, with each way to find, preload and open them.
fn libraries(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let mut preloaded = ground.run("main", &["a"]);
    let first = text(&ground.built.join("libfirst.so"));
    preloaded.environment.push(("LD_PRELOAD".to_owned(), first));
    let mut other = ground.run("main", &[]);
    let folder = text(&ground.built.join("other"));
    other
        .environment
        .push(("LD_LIBRARY_PATH".to_owned(), folder));
    let mut at_once = ground.run("plain", &[]);
    at_once
        .environment
        .push(("LD_BIND_NOW".to_owned(), "1".to_owned()));
    Ok(vec![
        ground.run("main", &["a", "b"]),
        ground.run("plain", &[]),
        ground.run("own", &[]),
        preloaded,
        other,
        at_once,
    ])
}
