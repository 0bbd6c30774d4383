//! Programs built static from their sources: databases, compressors, a compiler.

use crate::comparison::Step;
use crate::settings::Size;
use crate::store::BuildError;
use crate::workload;

use super::{file, text, Ground, Origin, Program};

/// The cases.
pub(super) const CASES: &[Program] = &[
    ("sqlite::shell", Origin::Recipe("sqlite"), sqlite_shell),
    ("sqlite::speedtest1", Origin::Recipe("sqlite"), sqlite_speed),
    ("zstd::round_trip", Origin::Recipe("zstd"), zstd),
    ("bzip2::round_trip", Origin::Recipe("bzip2"), bzip2),
    ("tcc::compile", Origin::Recipe("tcc"), tcc),
];

fn sqlite_shell(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let rows = format!(".parameter set :rows {}", ground.amount(100_000, 2_000));
    let mut load = ground.run("sqlite3", &["-batch", "-cmd", &rows, "data.db"]);
    load.input = Some(file("database.sql"));
    let query = "SELECT count(*), max(id) FROM items; PRAGMA integrity_check; SELECT 1/0, x'00';";
    Ok(vec![
        load,
        ground.run("sqlite3", &["-csv", "-header", "data.db", query]),
        ground.run("sqlite3", &["data.db", ".dump items"]),
    ])
}

fn sqlite_speed(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let mut steps = Vec::new();
    for name in ["test.db", ":memory:"] {
        let size = ground.amount(20, 1);
        let mut step = ground.run("speedtest1", &["--size", &size, "--verify", name]);
        step.times = true;
        steps.push(step);
    }
    Ok(steps)
}

/// Compresses and restores a text; the file left behind is compared with the native run's, and the
/// program itself checks its sums.
fn zstd(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let input = text(&workload::text(
        ground.store,
        match ground.size {
            Size::Full => 50_000_000,
            Size::Small => 500_000,
        },
    )?);
    Ok(vec![
        ground.run("zstd", &["-q", "-k", "-3", &input, "-o", "packed.zst"]),
        ground.run("zstd", &["-q", "-t", "packed.zst"]),
        ground.run("zstd", &["-q", "-d", "packed.zst", "-o", "restored"]),
        ground.run(
            "zstd",
            &[
                "-q",
                "-19",
                "--long",
                "-f",
                &text(&file("json_work.py")),
                "-o",
                "b.zst",
            ],
        ),
    ])
}

fn bzip2(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let input = workload::text(
        ground.store,
        match ground.size {
            Size::Full => 10_000_000,
            Size::Small => 200_000,
        },
    )?;
    let mut damaged = ground.run("bzip2", &["-t", &text(&file("strings.lua"))]);
    damaged.status = 2;
    Ok(vec![
        ground.run("bzip2", &["-k", "-c", &text(&input)]),
        ground.run(
            "bzip2",
            &["-z", "-k", "-9", "-f", "-c", &text(&file("tables.lua"))],
        ),
        damaged,
    ])
}

fn tcc(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let base = format!("-B{}", ground.built.display());
    let itself = text(&ground.built.join("tcc.c"));
    let hello = text(&file("hello.c"));
    let mut made = Step::new("./hello", &[]);
    made.status = 5;
    made.unprotected = true;
    let mut wrong = ground.run("tcc", &[&base, "-D_start=5", "-c", &hello, "-o", "wrong.o"]);
    wrong.status = 1;
    Ok(vec![
        ground.run("tcc", &[&base, "-w", "-c", &itself, "-o", "tcc.o"]),
        ground.run(
            "tcc",
            &[&base, "-nostdlib", "-static", &hello, "-o", "hello"],
        ),
        made,
        wrong,
    ])
}
