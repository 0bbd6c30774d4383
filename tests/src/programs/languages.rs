//! Interpreters, and programs of our own in several languages and linkings.

use crate::comparison::Step;
use crate::compile::Linking;
use crate::store::BuildError;

use super::{file, rounds, text, Ground, Origin, Program};

/// The cases.
pub(super) const CASES: &[Program] = &[
    ("python::json", Origin::Recipe("python"), |g| {
        python(g, "json_work.py", 20_000, 200)
    }),
    ("python::dict", Origin::Recipe("python"), |g| {
        python(g, "dict_work.py", 50_000, 500)
    }),
    ("lua::strings", Origin::Recipe("lua"), |g| {
        lua(g, "strings.lua", 40_000, 500)
    }),
    ("lua::tables", Origin::Recipe("lua"), |g| {
        lua(g, "tables.lua", 100_000, 1_000)
    }),
    ("lua::closures", Origin::Recipe("lua"), |g| {
        lua(g, "closures.lua", 200_000, 1_000)
    }),
    ("lua::sort", Origin::Recipe("lua"), |g| {
        lua(g, "sort.lua", 100_000, 1_000)
    }),
    (
        "cpp::containers",
        Origin::Source("containers.cc", Linking::Static),
        rounds,
    ),
    (
        "cpp::containers_pie",
        Origin::Source("containers.cc", Linking::StaticPie),
        rounds,
    ),
    (
        "rust::collections",
        Origin::Source("collections.rs", Linking::Static),
        rounds,
    ),
    (
        "rust::collections_pie",
        Origin::Source("collections.rs", Linking::StaticPie),
        rounds,
    ),
    (
        "musl::words",
        Origin::Source("words.c", Linking::Musl),
        rounds,
    ),
];

fn python(ground: &Ground, script: &str, full: u64, small: u64) -> Result<Vec<Step>, BuildError> {
    let script = text(&file(script));
    let mut step = ground.run(
        "python",
        &["-S", "-B", &script, &ground.amount(full, small)],
    );
    let library = text(&ground.built.join("lib"));
    for (name, value) in [
        ("PYTHONMALLOC", "malloc"),
        ("PYTHONHASHSEED", "0"),
        ("PYTHONHOME", &text(ground.built)),
        ("PYTHONPATH", &library),
    ] {
        step.environment.push((name.to_owned(), value.to_owned()));
    }
    Ok(vec![step])
}

fn lua(ground: &Ground, script: &str, full: u64, small: u64) -> Result<Vec<Step>, BuildError> {
    let script = text(&file(script));
    Ok(vec![
        ground.run("lua", &[&script, &ground.amount(full, small)])
    ])
}
