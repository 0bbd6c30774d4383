//! What is counted of the heap's searches for addresses, during which a program's threads stand still.

use dangless_vmm::{Outcome, Reclaim, Sandbox, Status, Stdio, Watch};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Uses up addresses, in as many threads as it is told.
const PROGRAM: &str = "
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
static void *use(void *unused) {
    void *kept[64] = {0};
    for (int round = 0; round < 20000; round++) {
        size_t size = 4096 * (1 + round % 7);
        void **place = &kept[round * 31 % 64];
        free(*place);
        *place = malloc(size);
        memset(*place, 1, 64);
    }
    for (int at = 0; at < 64; at++) free(kept[at]);
    return unused;
}
int main(int count, char **words) {
    pthread_t others[8];
    int threads = atoi(words[1]) - 1;
    for (int at = 0; at < threads; at++)
        if (pthread_create(&others[at], 0, use, 0)) return 3;
    use(0);
    for (int at = 0; at < threads; at++) pthread_join(others[at], 0);
    return 0;
}
";

fn build(folder: &Path) {
    let source = folder.join("program.c");
    std::fs::write(&source, PROGRAM).expect("the folder is writable");
    let status = Command::new("gcc")
        .args(["-O1", "-static", "-pthread", "-w", "-o"])
        .arg(folder.join("program"))
        .arg(&source)
        .status()
        .expect("gcc is installed");
    assert!(status.success(), "the program does not build");
}

fn run(folder: &Path, threads: &str) -> String {
    let outcome: Outcome = Sandbox::new(folder.join("program"))
        .argument(threads)
        .stdio(Stdio::Captured)
        .stack_depth(0)
        .alias_size(4 << 30)
        .reclaim(Reclaim::After(64 << 20))
        .watch(Watch::default().stats(true))
        .run()
        .expect("it runs");
    assert_eq!(outcome.status, Status::Exited(0));
    outcome.statistics.expect("they were asked for")
}

/// The number before `unit`.
fn number(line: &str, unit: &str) -> f64 {
    let (before, _) = line.split_once(unit).unwrap_or_else(|| panic!("{line}"));
    let word = before.split([' ', '(']).next_back().unwrap_or_default();
    word.parse().unwrap_or_else(|_| panic!("{line}"))
}

#[test]
fn pauses_of_several_threads_are_told() {
    let folder = TempDir::new().expect("a temporary folder");
    build(folder.path());
    let told = run(folder.path(), "3");
    let line = told.lines().find(|line| line.starts_with("threads stood"));
    let line = line.unwrap_or_else(|| panic!("{told}"));
    let times = number(line, " times");
    let mean = number(line, " usecs/time");
    let most = number(line, " at most");
    assert!(times >= 2.0, "{line}");
    assert!(
        number(line, " until all stood") <= mean && mean <= most,
        "{line}"
    );
    // All of it to a millisecond, the mean to a microsecond.
    let all = number(line, " seconds in all") * 1e6;
    assert!((all - times * mean).abs() <= times + 1000.0, "{line}");

    let alone = run(folder.path(), "1");
    assert!(!alone.contains("stood still"), "{alone}");
    assert!(
        alone.contains("munmap") || alone.contains("exit"),
        "{alone}"
    );
}
