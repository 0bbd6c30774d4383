//! Time without an exit: the vDSO in the guest against the host's own clock.

use dangless_vmm::{Sandbox, Status, Stdio, Watch};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tempfile::TempDir;

/// Reads the clock between two readings of the host's thread, which answers with one when the count
/// of questions in the shared file has grown; prints how many agree of those with less than so many
/// nanoseconds in between.
const PROGRAM: &str = "
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
static long now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000 + t.tv_nsec;
}
static long ask(volatile long *host) {
    long question = host[0] + 1;
    __atomic_store_n(&host[0], question, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&host[1], __ATOMIC_SEQ_CST) != question);
    return host[2];
}
int main(int count, char **words) {
    int file = open(words[1], O_RDWR);
    volatile long *host = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (host == MAP_FAILED) return 3;
    long bound = atol(words[2]), start = now(CLOCK_MONOTONIC), close = 0, agree = 0;
    while (close < 1000 && now(CLOCK_MONOTONIC) - start < 20000000000) {
        long before = ask(host), between = now(CLOCK_MONOTONIC), after = ask(host);
        if (after - before >= bound) continue;
        close++;
        agree += before <= between && between <= after;
    }
    printf(\"%d %ld %ld\\n\", getauxval(AT_SYSINFO_EHDR) != 0, close, agree);
    return 0;
}
";

fn monotonic() -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one `timespec` into `time`.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

#[test]
fn the_guest_reads_the_hosts_clock_without_a_system_call() {
    let folder = TempDir::new().expect("a temporary folder");
    let (source, program) = (folder.path().join("p.c"), folder.path().join("p"));
    std::fs::write(&source, PROGRAM).expect("the folder is writable");
    let status = Command::new("gcc")
        .args(["-O1", "-w", "-o"])
        .args([&program, &source])
        .status()
        .expect("gcc is installed");
    assert!(status.success(), "the program does not build");
    let shared = folder.path().join("clock");
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&shared)
        .expect("the folder is writable");
    file.set_len(4096).expect("there is room");
    // SAFETY: a fresh shared mapping of a file that nobody else changes.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    assert_ne!(page, libc::MAP_FAILED);
    let [question, answered, reading] = [0, 1, 2].map(|index| {
        let word = page.cast::<i64>().wrapping_add(index);
        // SAFETY: aligned, mapped until the process ends, accessed atomically.
        let word: &'static AtomicI64 = unsafe { AtomicI64::from_ptr(word) };
        word
    });
    static DONE: AtomicBool = AtomicBool::new(false);
    let clock = std::thread::spawn(move || {
        while !DONE.load(Ordering::Relaxed) {
            let asked = question.load(Ordering::SeqCst);
            if asked != answered.load(Ordering::SeqCst) {
                reading.store(monotonic(), Ordering::SeqCst);
                answered.store(asked, Ordering::SeqCst);
            }
        }
    });
    // A single processor has to change threads for each answer.
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    let bound = if processors > 1 { "1000" } else { "100000000" };
    let outcome = Sandbox::new(&program)
        .argument(&shared)
        .argument(bound)
        .stdio(Stdio::Captured)
        .watch(Watch::default().stats(true))
        .run();
    DONE.store(true, Ordering::Relaxed);
    clock.join().expect("no panic");
    let outcome = outcome.expect("it runs");
    assert_eq!(outcome.status, Status::Exited(0));
    let text = String::from_utf8(outcome.stdout).expect("text");
    let numbers: Vec<i64> = text
        .split_whitespace()
        .map(|word| word.parse().expect("a number"))
        .collect();
    let [offered, close, agree] = numbers[..] else {
        panic!("{text}");
    };
    assert!(close >= 100, "only {close} close readings");
    assert_eq!(close, agree, "readings that agree");
    let calls = outcome.statistics.expect("they were asked for");
    assert_eq!(calls.contains("clock_gettime"), offered == 0, "{calls}");
}
