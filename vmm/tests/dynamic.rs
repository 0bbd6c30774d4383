//! Dynamic programs: whose malloc is replaced, and what reports say of shared objects.

use dangless_vmm::report::Kind;
use dangless_vmm::{Outcome, Report, Sandbox, Status, Stdio};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tool(&self, words: &[&str]) {
        let status = Command::new(words[0])
            .args(&words[1..])
            .current_dir(self.folder.path())
            .status()
            .unwrap_or_else(|error| panic!("{}: {error}", words[0]));
        assert!(status.success(), "{words:?}");
    }

    /// Builds `name` from a source of the same name and `.c`.
    fn build(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let file = format!("{name}.c");
        std::fs::write(self.path(&file), source).expect("the folder is writable");
        let mut words = vec!["gcc", "-g", "-O0", "-w", "-o", name, &file];
        words.extend(flags);
        self.tool(&words);
        self.path(name)
    }

    fn sandbox(&self, program: impl AsRef<Path>) -> Sandbox {
        Sandbox::new(program)
            .memory(512 << 20)
            .directory(self.folder.path())
            .stdio(Stdio::Captured)
    }
}

/// The only report of a run that it stopped.
fn report(outcome: &Outcome) -> &Report {
    assert_eq!(outcome.status, Status::Stopped);
    assert!(outcome.protected);
    let [report] = outcome.reports.as_slice() else {
        panic!("{} reports", outcome.reports.len());
    };
    report
}

/// Frame `number` of a stack as `function file:line`, or `function object` where there is no line.
fn frame(stack: &[dangless_vmm::symbols::Frame], number: usize) -> String {
    let Some(frame) = stack.get(number) else {
        return "nothing".to_owned();
    };
    let name = |path: &Option<String>| {
        let path = Path::new(path.as_deref().unwrap_or("?"));
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let function = frame.function.as_deref().unwrap_or("?");
    match frame.line {
        Some(line) => format!("{function} {}:{line}", name(&frame.file)),
        None => format!("{function} {}", name(&frame.module)),
    }
}

const LIBRARY: &str = "#include <stdlib.h>
int *make(void) { return malloc(64); }
void twice(int *p) {
    free(p);
    free(p);
}
";

#[test]
fn a_double_free_in_a_library_is_told_with_its_lines_even_after_others_have_gone() {
    let fixture = Fixture::new();
    fixture.build("libbad.so", LIBRARY, &["-shared", "-fPIC"]);
    fixture.build("libgone.so", LIBRARY, &["-shared", "-fPIC"]);
    let program = fixture.build(
        "main",
        "#include <dlfcn.h>
int main(void) {
    void *gone = dlopen(\"./libgone.so\", RTLD_NOW);
    int *p = ((int *(*)(void))dlsym(gone, \"make\"))();
    dlclose(gone);
    void *bad = dlopen(\"./libbad.so\", RTLD_NOW);
    ((void (*)(int *))dlsym(bad, \"twice\"))(p);
    return 0;
}
",
        &["-Wl,-z,lazy"],
    );
    let outcome = fixture.sandbox(program).run().expect("it runs");
    let report = report(&outcome);
    assert_eq!(report.kind, Kind::DoubleFree);
    let stacks = &report.stacks;
    assert_eq!(frame(&stacks.access, 0), "free libbad.so");
    assert_eq!(frame(&stacks.access, 1), "twice libbad.so.c:5");
    assert_eq!(frame(&stacks.access, 2), "main main.c:7");
    assert_eq!(frame(&stacks.free, 1), "twice libbad.so.c:4");
    assert_eq!(frame(&stacks.alloc, 2), "main main.c:4");
}

const USE_AFTER_FREE: &str = "#include <stdlib.h>
int main(void) {
    char *p = malloc(40);
    free(p);
    return p[3];
}
";

const ALLOCATOR: &str = "#include <stddef.h>
static char pool[1 << 20] __attribute__((aligned(16)));
static size_t used;
void *malloc(size_t size) {
    char *at = pool + used;
    used += (size + 15) & ~15ul;
    return at;
}
void free(void *at) {}
void *calloc(size_t count, size_t size) { return malloc(count * size); }
void *realloc(void *old, size_t size) { return malloc(size); }
";

#[test]
fn an_allocator_of_the_programs_own_or_preloaded_is_replaced() {
    let fixture = Fixture::new();
    let own = fixture.build("own", &format!("{ALLOCATOR}{USE_AFTER_FREE}"), &[]);
    let outcome = fixture.sandbox(own).run().expect("it runs");
    assert_eq!(report(&outcome).kind, Kind::HeapUseAfterFree);
    let library = fixture.build("liballoc.so", ALLOCATOR, &["-shared", "-fPIC"]);
    let user = fixture.build("user", USE_AFTER_FREE, &[]);
    let sandbox = fixture.sandbox(user).variable("LD_PRELOAD", &library);
    let outcome = sandbox.run().expect("it runs");
    let report = report(&outcome);
    assert_eq!(report.kind, Kind::HeapUseAfterFree);
    assert_eq!(frame(&report.stacks.access, 0), "main user.c:5");
}

#[test]
fn lines_come_from_a_separate_debug_file() {
    let fixture = Fixture::new();
    let program = fixture.build("main", USE_AFTER_FREE, &["-Wl,--build-id"]);
    fixture.tool(&["objcopy", "--only-keep-debug", "main", "main.debug"]);
    fixture.tool(&["strip", "main"]);
    let outcome = fixture.sandbox(&program).run().expect("it runs");
    let bare = frame(&report(&outcome).stacks.access, 0);
    assert!(!bare.contains("main.c"), "{bare}");
    fixture.tool(&["objcopy", "--add-gnu-debuglink=main.debug", "main"]);
    let outcome = fixture.sandbox(&program).run().expect("it runs");
    assert_eq!(frame(&report(&outcome).stacks.access, 0), "main main.c:5");
    // The file of another build has the same name and must not count.
    let other = USE_AFTER_FREE.replace("malloc(40)", "\n\nmalloc(50)");
    fixture.build("other", &other, &["-Wl,--build-id"]);
    fixture.tool(&["objcopy", "--only-keep-debug", "other", "main.debug"]);
    let outcome = fixture.sandbox(&program).run().expect("it runs");
    assert_eq!(frame(&report(&outcome).stacks.access, 0), bare);
}

#[test]
fn protection_may_be_required_of_a_stripped_dynamic_program() {
    let fixture = Fixture::new();
    let program = fixture.build("main", USE_AFTER_FREE, &["-s"]);
    let sandbox = fixture.sandbox(program).require_protection(true);
    assert_eq!(
        report(&sandbox.run().expect("it runs")).kind,
        Kind::HeapUseAfterFree
    );
}

#[test]
fn a_missing_interpreter_is_an_error_that_names_it() {
    let fixture = Fixture::new();
    let program = fixture.build("main", USE_AFTER_FREE, &["-Wl,-dynamic-linker,/none/ld.so"]);
    let error = fixture.sandbox(program).run().expect_err("no such file");
    assert!(error.to_string().contains("/none/ld.so"), "{error}");
}
