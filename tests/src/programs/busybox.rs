//! BusyBox: many small tools in one program, and Debian's own, which is stripped.

use std::path::Path;

use crate::comparison::Step;
use crate::store::BuildError;

use super::{file, text, Ground, Origin, Program, BUSYBOX};

/// The cases.
pub(super) const CASES: &[Program] = &[
    ("busybox::files", Origin::Recipe("busybox"), busybox_files),
    ("busybox::text", Origin::Recipe("busybox"), |g| {
        Ok(text_tools(&g.built.join("busybox"), false))
    }),
    ("stripped::busybox", BUSYBOX, |g| {
        Ok(text_tools(g.built, true))
    }),
];

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
