//! Real programs: each runs natively and in the guest, and must print and leave the same.

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
use crate::workload;

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

const BUSYBOX: Origin = Origin::Installed {
    path: "/bin/busybox",
    package: "busybox-static",
};
const BASH: Origin = Origin::Installed {
    path: "/bin/bash-static",
    package: "bash-static",
};

const DASH: Origin = Origin::Installed {
    path: "/bin/dash",
    package: "dash",
};

/// All cases: name, origin, steps.
const PROGRAMS: [(&str, Origin, Steps); 40] = [
    ("python::json", Origin::Recipe("python"), |g| {
        python(g, "json_work.py", 20_000, 200)
    }),
    ("python::dict", Origin::Recipe("python"), |g| {
        python(g, "dict_work.py", 50_000, 500)
    }),
    ("sqlite::shell", Origin::Recipe("sqlite"), sqlite_shell),
    ("sqlite::speedtest1", Origin::Recipe("sqlite"), sqlite_speed),
    ("busybox::files", Origin::Recipe("busybox"), busybox_files),
    ("busybox::text", Origin::Recipe("busybox"), |g| {
        Ok(text_tools(&g.built.join("busybox"), false))
    }),
    ("zstd::round_trip", Origin::Recipe("zstd"), zstd),
    ("bzip2::round_trip", Origin::Recipe("bzip2"), bzip2),
    ("tcc::compile", Origin::Recipe("tcc"), tcc),
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
    (
        "reclaim::endless",
        Origin::Source("endless.c", Linking::Static),
        endless,
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
    ("stripped::busybox", BUSYBOX, |g| {
        Ok(text_tools(g.built, true))
    }),
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

/// A program that uses up its addresses many times.
fn endless(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let mut step = ground.run_it(&[&ground.amount(2_000_000, 50_000)]);
    step.options = ["--alias-size", "4G", "--stack-depth", "0"]
        .map(str::to_owned)
        .to_vec();
    Ok(vec![step])
}

/// One case for every program and workload.
///
/// # Errors
/// None; the signature is that of the other sets.
pub fn cases(settings: &Settings) -> Result<Vec<Case>, BuildError> {
    let size = settings.size();
    let cases = PROGRAMS.into_iter().map(|(name, origin, steps)| {
        let name = format!("programs::{name}");
        let origin = Arc::new(origin);
        let (builder, title) = (Arc::clone(&origin), name.clone());
        let make = move |origin: &Origin, store: &Store, size| {
            let built = origin.obtain(store)?;
            let built = built.as_path();
            steps(&Ground { built, store, size })
        };
        Case {
            name,
            build: Box::new(move |store| {
                // The steps may need inputs of either size, wherever they will run.
                make(&builder, store, Size::Small)?;
                make(&builder, store, Size::Full).map(drop)
            }),
            check: Box::new(move |context| {
                let steps = make(&origin, &context.store, size)?;
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

fn unprotected(mut step: Step) -> Step {
    step.unprotected = true;
    step
}

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

/// A tree made, copied, listed, searched, packed and unpacked.
fn busybox_files(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let fill = r#"BEGIN {
        for (i = 10; i < 50; i++) {
            name = "tree/a/file" i ".txt"
            for (j = 0; j < 100; j++)
                printf "line %d of file %d: %d\n", j, i, i * j % 7 > name
            close(name)
        }
    }"#;
    let files: Vec<String> = (10..50).map(|i| format!("tree/a/file{i}.txt")).collect();
    let mut touch = vec!["touch", "-d", "2024-01-02 03:04:05"];
    touch.extend(files.iter().map(String::as_str));
    touch.push("tree/a");
    let calls: &[&[&str]] = &[
        &["mkdir", "-p", "tree/a", "tree/b/deep/down"],
        &["awk", fill],
        &["cp", "-r", "tree/a", "tree/b/copy"],
        &["ln", "-s", "../a/file10.txt", "tree/b/link"],
        &["ls", "-R", "-1", "-F", "tree"],
        &[
            "find",
            "tree",
            "-type",
            "f",
            "-name",
            "file*3.txt",
            "-size",
            "-100k",
        ],
        &["grep", "-rn", "line 9[0-9] of file 1.: 3", "tree"],
        &["grep", "-c", "^line", "tree/a/file10.txt", "tree/b/link"],
        &[
            "sed",
            "-i",
            "-e",
            r"s/line \([0-9]*\)/LINE <\1>/",
            "tree/a/file11.txt",
            "tree/a/file12.txt",
        ],
        &["sort", "-k6n", "-k2nr", "-o", "sorted", "tree/a/file13.txt"],
        &["mv", "tree/b/copy/file14.txt", "tree/b/deep/down/moved"],
        &["rm", "-r", "tree/b/copy"],
        &["chmod", "600", "tree/a/file15.txt"],
        &touch,
        &["tar", "-cf", "a.tar", "tree/a"],
        &["tar", "-tvf", "a.tar"],
        &["mkdir", "out"],
        &["tar", "-xf", "a.tar", "-C", "out"],
        &["diff", "-r", "tree/a", "out/tree/a"],
        &["cmp", "tree/a/file16.txt", "out/tree/a/file16.txt"],
        &["sha256sum", "a.tar", "sorted"],
        &["find", "out", "-name", "*2*.txt", "-delete"],
    ];
    let program = ground.built.join("busybox");
    let mut steps: Vec<Step> = calls.iter().map(|call| Step::new(&program, call)).collect();
    let mut differing = Step::new(
        &program,
        &["diff", "tree/a/file11.txt", "tree/a/file13.txt"],
    );
    differing.status = 1;
    steps.push(differing);
    Ok(steps)
}

/// Tools that read text and write text, in the applets that every BusyBox has.
fn text_tools(program: &Path, unprotected: bool) -> Vec<Step> {
    let words = text(&file("builtins.bash"));
    let table = text(&file("database.sql"));
    let count = r#"{
        for (i = 1; i <= NF; i++) {
            seen[$i]++
            letters += length($i)
        }
    }
    END {
        for (word in seen)
            if (seen[word] > 2)
                most++
        printf "%d %d %.3f %s\n", most, letters, letters / NR, toupper(substr($0, 1, 4))
        split("a:b:c", parts, ":")
        print parts[2], match("foobar", /o+/), RLENGTH, sprintf("%05d", 42)
    }"#;
    let calls: &[&[&str]] = &[
        &["awk", count, &words, &table],
        &[
            "awk",
            "BEGIN { for (i = 0; i < 20000; i++) t[i % 977] = t[i % 977] i; print length(t[5]) }",
        ],
        &["sort", "-u", &words],
        &["sort", "-k2", "-r", &table],
        &["sed", "-n", "-e", "/SELECT/{s/[a-z]*(/FUNC(/g;p}", &table],
        &["grep", "-n", "-i", "-E", "(select|update) .*", &table],
        &["cut", "-d", " ", "-f", "1,3", &table],
        &["tail", "-n", "5", &words],
        &["head", "-n", "3", &words],
        &["wc", &words],
        &["md5sum", &table],
        &["sha256sum", &words],
        &["seq", "1", "7", "100"],
        &["uniq", "-c", &words],
    ];
    let step = |call: &&[&str]| {
        let mut step = Step::new(program, call);
        step.unprotected = unprotected;
        step
    };
    calls.iter().map(step).collect()
}

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

fn rounds(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    Ok(vec![ground.run_it(&[&ground.amount(50_000, 1_000)])])
}
