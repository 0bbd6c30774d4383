//! The library as an embedder uses it: outcomes as values, captured output, several at once.

use dangless_vmm::exec::Policy;
use dangless_vmm::report::Kind;
use dangless_vmm::{Aliasing, Error, Outcome, Profile, Sandbox, Status, Stdio};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const PROGRAM: &str = r#"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "";
    if (!strcmp(what, "echo")) {
        printf("%s %s\n", words[2], getenv("GREETING") ? getenv("GREETING") : "-");
        fprintf(stderr, "%d\n", open("/dev/null", O_RDONLY));
        return 7;
    }
    if (!strcmp(what, "use")) {
        char *object = malloc(40);
        free(object);
        return object[8];
    }
    if (!strcmp(what, "abort")) abort();
    if (!strcmp(what, "grow")) {
        size_t total = 0;
        for (;;) {
            char *object = malloc(1 << 20);
            if (!object) break;
            memset(object, 1, 1 << 20);
            total++;
        }
        printf("%zu\n", total);
        return 0;
    }
    if (!strcmp(what, "fork") || !strcmp(what, "exec")) {
        int status = 0, exec = what[0] == 'e';
        char *object = malloc(40);
        if (exec) {
            execl("/bin/busybox", "echo", "replaced", (char *)0);
            perror("parent");
        }
        pid_t child = fork();
        if (child == 0 && exec) {
            execl("/bin/busybox", "echo", "replaced", (char *)0);
            perror("child");
            _exit(3);
        }
        if (child == 0) {
            free(object);
            _exit(object[1]);
        }
        waitpid(child, &status, 0);
        object[0] = 1;
        printf("child %d\n", status >> 8);
        return 0;
    }
    if (!strcmp(what, "old-bytes")) {
        size_t found = 0;
        for (int round = 0; round < 20; round++) {
            for (size_t size = 16; size <= 4 << 20; size *= 4) {
                for (int count = size < 4096 ? 3000 : 2; count > 0; count--) {
                    char *object = malloc(size);
                    for (size_t at = 0; at < size; at++) found += object[at] != 0;
                    memset(object, 0x5a, size);
                    free(object);
                }
            }
            getppid();
        }
        puts(found ? "found" : "none");
        return 0;
    }
    if (!strcmp(what, "reach")) {
        int thread = atoi(words[2]), seen = 0;
        char path[64];
        struct dirent *entry;
        DIR *threads = opendir("/proc/self/task");
        while ((entry = readdir(threads))) seen += atoi(entry->d_name) == thread;
        printf("%d listed\n", seen);
        errno = 0;
        printf("%ld", syscall(SYS_tgkill, getpid(), thread, 0));
        printf(" %d\n", errno);
        errno = 0;
        printf("%ld", syscall(SYS_tkill, thread, SIGTERM));
        printf(" %d\n", errno);
        snprintf(path, sizeof path, "/proc/self/task/%d/comm", thread);
        errno = 0;
        printf("%d", open(path, O_RDONLY));
        printf(" %d\n", errno);
        return 0;
    }
    if (!strcmp(what, "where")) {
        char path[4096];
        puts(getcwd(path, sizeof path));
        return chdir("/") != 0;
    }
    return 0;
}
"#;

struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let source = folder.path().join("program.c");
        std::fs::write(&source, PROGRAM).expect("the folder is writable");
        let status = Command::new("gcc")
            .args(["-g", "-O1", "-static", "-w", "-o"])
            .arg(folder.path().join("program"))
            .arg(&source)
            .status()
            .expect("gcc is installed");
        assert!(status.success(), "the program does not build");
        Self { folder }
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    fn sandbox(&self, arguments: &[&str]) -> Sandbox {
        Sandbox::new(self.program())
            .arguments(arguments)
            .memory(512 << 20)
            .stdio(Stdio::Captured)
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.sandbox(arguments).run().expect("it runs")
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn output_and_status_come_back() {
    let fixture = Fixture::new();
    let outcome = fixture
        .sandbox(&["echo", "hello"])
        .variable("GREETING", "there")
        .run()
        .expect("it runs");
    assert_eq!(outcome.status, Status::Exited(7));
    assert_eq!(text(&outcome.stdout), "hello there\n");
    // The descriptors of this process are not the program's: 3 is free.
    assert_eq!(text(&outcome.stderr), "3\n");
    assert!(outcome.protected && outcome.reports.is_empty());
    let bare = fixture
        .sandbox(&["echo", "x"])
        .clear_environment()
        .run()
        .expect("it runs");
    assert_eq!(text(&bare.stdout), "x -\n");
}

#[test]
fn an_error_is_a_value() {
    let fixture = Fixture::new();
    let outcome = fixture.run(&["use"]);
    assert_eq!(outcome.status, Status::Stopped);
    let [report] = outcome.reports.as_slice() else {
        panic!("{} reports", outcome.reports.len());
    };
    assert_eq!(report.kind, Kind::HeapUseAfterFree);
    let object = report.object.as_ref().expect("an object");
    assert_eq!(object.size, 40);
    assert_eq!(report.address, Some(object.start + 8));
    let culprit = report.culprit().expect("a frame");
    assert_eq!(culprit.function.as_deref(), Some("main"));
    // Without protection the program is on its own.
    let outcome = fixture
        .sandbox(&["use"])
        .profile(Profile::Off)
        .run()
        .expect("it runs");
    assert!(matches!(outcome.status, Status::Exited(_)) && !outcome.protected);
}

#[test]
fn a_signal_ends_the_program_and_not_this_process() {
    let fixture = Fixture::new();
    assert_eq!(fixture.run(&["abort"]).status, Status::Signaled(6));
}

#[test]
fn the_memory_limit_is_malloc_returning_null() {
    let fixture = Fixture::new();
    let outcome = fixture
        .sandbox(&["grow"])
        .memory(128 << 20)
        .run()
        .expect("it runs");
    assert_eq!(outcome.status, Status::Exited(0));
    let megabytes: u32 = text(&outcome.stdout).trim().parse().expect("a number");
    assert!((32..128).contains(&megabytes), "{megabytes} MiB of 128");
}

#[test]
fn two_run_at_once_without_meeting() {
    let fixture = Fixture::new();
    let before = std::env::current_dir().expect("a working directory");
    let (one, other) = (
        TempDir::new().expect("a folder"),
        TempDir::new().expect("a folder"),
    );
    let start = |directory: &Path| {
        let sandbox = fixture.sandbox(&["where"]).directory(directory);
        std::thread::spawn(move || sandbox.run().expect("it runs"))
    };
    let runs = [start(one.path()), start(other.path())];
    for (run, directory) in runs.into_iter().zip([&one, &other]) {
        let outcome = run.join().expect("no panic");
        assert_eq!(outcome.status, Status::Exited(0));
        let directory = directory.path().canonicalize().expect("it exists");
        assert_eq!(Path::new(text(&outcome.stdout).trim()), directory);
    }
    assert_eq!(
        std::env::current_dir().expect("a working directory"),
        before
    );
}

#[test]
fn what_cannot_run_is_an_error() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("text");
    std::fs::write(&path, "no program\n").expect("the folder is writable");
    assert!(matches!(Sandbox::new(&path).run(), Err(Error::Elf { .. })));
    let missing = folder.path().join("missing");
    assert!(matches!(
        Sandbox::new(missing).run(),
        Err(Error::Open { .. })
    ));
}

#[test]
fn a_script_is_run_by_its_interpreter() {
    let folder = TempDir::new().expect("a temporary folder");
    let script = folder.path().join("script");
    std::fs::write(&script, "#!/bin/echo one two\n").expect("it is writable");
    let run = || {
        let sandbox = Sandbox::new(&script).argument("a b");
        sandbox.stdio(Stdio::Captured).run()
    };
    assert!(
        matches!(run(), Err(Error::Open { .. })),
        "it may not be run"
    );
    let rights = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&script, rights).expect("it is ours");
    let outcome = run().expect("it runs");
    assert_eq!(outcome.status, Status::Exited(0));
    let said = format!("one two {} a b\n", script.display());
    assert_eq!(text(&outcome.stdout), said);
}

#[test]
fn a_childs_error_is_told_by_the_child() {
    let fixture = Fixture::new();
    let outcome = fixture.run(&["fork"]);
    assert_eq!(outcome.status, Status::Exited(0));
    assert!(outcome.reports.is_empty());
    assert_eq!(text(&outcome.stdout), "child 1\n");
    assert!(text(&outcome.stderr).contains("heap-use-after-free"));
    let sandbox = fixture.sandbox(&["fork"]).children(|outcome| {
        // In the child: a panic would not be seen as one.
        if outcome.reports.len() == 1 {
            77
        } else {
            0
        }
    });
    let outcome = sandbox.run().expect("it runs");
    assert_eq!(text(&outcome.stdout), "child 77\n");
    assert_eq!(text(&outcome.stderr), "");
}

#[test]
fn programs_are_replaced_as_the_embedder_allows() {
    let fixture = Fixture::new();
    let outcome = fixture.run(&["exec"]);
    assert_eq!(text(&outcome.stdout), "child 3\n");
    let refused = "Operation not permitted\n";
    let both = format!("parent: {refused}child: {refused}");
    assert_eq!(text(&outcome.stderr), both);
    let sandbox = fixture.sandbox(&["exec"]).exec(Policy::Native);
    let outcome = sandbox.run().expect("it runs");
    assert_eq!(text(&outcome.stdout), "replaced\nchild 0\n");
    assert_eq!(text(&outcome.stderr), format!("parent: {refused}"));
}

#[test]
fn freed_bytes_are_never_seen_again_if_zeroed() {
    let fixture = Fixture::new();
    for (aliasing, zero, wanted) in [
        (Aliasing::Window, false, "found\n"),
        (Aliasing::Window, true, "none\n"),
        (Aliasing::Page, false, "found\n"),
        (Aliasing::Page, true, "none\n"),
    ] {
        let sandbox = fixture.sandbox(&["old-bytes"]).profile(Profile::Protect);
        let sandbox = sandbox.aliasing(aliasing).zero_on_free(zero);
        let outcome = sandbox.run().expect("it runs");
        let found = text(&outcome.stdout);
        assert_eq!(found, wanted, "{aliasing:?}, zero on free: {zero}");
    }
}

#[test]
fn an_embedders_threads_are_out_of_reach() {
    let fixture = Fixture::new();
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        // SAFETY: reads a number of the calling thread.
        tell.send(unsafe { libc::gettid() })
            .expect("it is waited for");
        // Until there is nobody left to send.
        let _ = ended.recv();
    });
    let number = told.recv().expect("the thread runs").to_string();
    let outcome = fixture.run(&["reach", &number]);
    assert_eq!(outcome.status, Status::Exited(0));
    let (gone, none) = (libc::ESRCH, libc::ENOENT);
    let expected = format!("0 listed\n-1 {gone}\n-1 {gone}\n-1 {none}\n");
    assert_eq!(text(&outcome.stdout), expected);
    drop(end);
    thread.join().expect("it still runs");
}
