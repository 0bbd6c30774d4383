//! The bug corpus: each source under `bugs/` is built twice, with `-DBUG` and without.
//!
//! `bugs::NAME` runs the first under the VMM and holds the report against the source's header and
//! markers; `twins::NAME` runs the second natively and under the VMM, where it must be silent;
//! `protected::NAME` runs the first in profile `protect`, which records no stacks and no sizes;
//! `paged::NAME` runs some of the first kind with `--aliasing page`, `lent::NAME` with
//! `--aliasing program`;
//! `oracle::NAME` checks the corpus itself with AddressSanitizer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::comparison::{compare, Step};
use crate::compile::{Compilation, Linking};
use crate::execution::{self, End};
use crate::header::{sources, Header, Marker};
use crate::report::Report;
use crate::scratch::Scratch;
use crate::settings;
use crate::store::{BuildError, Store};
use crate::suite::{Case, Context, Evidence, Failure};

/// What a bug prints if it lives on after the error.
const SURVIVED: &str = "survived";
/// Bugs that run with `--aliasing page` and `--aliasing program` too. All do so with `DANGLESS_TEST_OPTIONS`.
const PAGED: [&str; 6] = [
    "access::read_middle",
    "access::write_8m_start",
    "access::memalign_page_read",
    "access::after_many_frees",
    "free::twice_large",
    "free::interior_page",
];
/// How long a bug or twin may take on an ordinary machine.
const LIMIT: Duration = Duration::from_secs(20);

/// What is done with a case's program, given the case's name.
type Check = fn(&Context, &str, &Bug, PathBuf) -> Result<Vec<Evidence>, Failure>;

/// One bug.
struct Bug {
    name: String,
    header: Header,
}

/// The corpus under the VMM: every bug and every twin, in every way that its header asks for.
///
/// # Errors
/// When a source or its header cannot be read.
pub fn cases() -> Result<Vec<Case>, BuildError> {
    let mut cases = Vec::new();
    for bug in corpus()? {
        let bug = Arc::new(bug);
        for linking in bug.header.linkings()? {
            let suffix = match linking {
                Linking::Static => String::new(),
                other => format!("::{}", other.name()),
            };
            let name = format!("bugs::{}{suffix}", bug.name);
            cases.push(case(name, &bug, linking, true, check_bug));
            let name = format!("twins::{}{suffix}", bug.name);
            cases.push(case(name, &bug, linking, false, check_twin));
            if linking == Linking::Static && bug.header.get("protect") != Some("blind") {
                let name = format!("protected::{}", bug.name);
                cases.push(case(name, &bug, linking, true, check_protected));
            }
            if linking == Linking::Static && PAGED.contains(&bug.name.as_str()) {
                let name = format!("paged::{}", bug.name);
                cases.push(case(name, &bug, linking, true, check_paged));
                let name = format!("lent::{}", bug.name);
                cases.push(case(name, &bug, linking, true, check_lent));
            }
        }
    }
    Ok(cases)
}

/// The corpus under AddressSanitizer, natively: every bug that it can see, and every twin.
///
/// # Errors
/// When a source or its header cannot be read.
pub fn oracle_cases() -> Result<Vec<Case>, BuildError> {
    let mut cases = Vec::new();
    for bug in corpus()? {
        let bug = Arc::new(bug);
        if bug.header.get("oracle") != Some("blind") {
            let name = format!("oracle::bugs::{}", bug.name);
            cases.push(case(name, &bug, Linking::Sanitised, true, check_oracle));
        }
        let name = format!("oracle::twins::{}", bug.name);
        cases.push(case(
            name,
            &bug,
            Linking::Sanitised,
            false,
            check_oracle_twin,
        ));
    }
    Ok(cases)
}

fn corpus() -> Result<Vec<Bug>, BuildError> {
    let found = sources(&settings::package("bugs"), &["c", "cc"])?;
    let read = |(name, path): (String, PathBuf)| {
        let header = Header::read(&path)?;
        if header.get("expect").is_none() || header.marked(Marker::Fault).is_empty() {
            return Err(header.malformed("needs an `expect` line and a FAULT marker"));
        }
        Ok(Bug { name, header })
    };
    found.into_iter().map(read).collect()
}

fn case(name: String, bug: &Arc<Bug>, linking: Linking, buggy: bool, check: Check) -> Case {
    let builder = Arc::clone(bug);
    let bug = Arc::clone(bug);
    let title = name.clone();
    let program = move |bug: &Bug, store: &Store| {
        let mut compilation = Compilation::new(&bug.header.path, linking);
        compilation.flags = bug.header.words("flags");
        if buggy {
            compilation.flags.push("-DBUG".to_owned());
        }
        compilation.obtain(store)
    };
    Case {
        name,
        build: Box::new(move |store| program(&builder, store).map(drop)),
        check: Box::new(move |context| {
            check(context, &title, &bug, program(&bug, &context.store)?)
        }),
    }
}

fn check_twin(
    context: &Context,
    name: &str,
    _: &Bug,
    program: PathBuf,
) -> Result<Vec<Evidence>, Failure> {
    let mut step = Step::new(program, &[]);
    step.limit = LIMIT;
    compare(context, name, &[step])
}

fn check_bug(
    context: &Context,
    name: &str,
    bug: &Bug,
    program: PathBuf,
) -> Result<Vec<Evidence>, Failure> {
    check_detected(context, name, bug, program, Way::Detect)
}

fn check_paged(
    context: &Context,
    name: &str,
    bug: &Bug,
    program: PathBuf,
) -> Result<Vec<Evidence>, Failure> {
    check_detected(context, name, bug, program, Way::Paged)
}

fn check_lent(
    context: &Context,
    name: &str,
    bug: &Bug,
    program: PathBuf,
) -> Result<Vec<Evidence>, Failure> {
    check_detected(context, name, bug, program, Way::Lent)
}

fn check_detected(
    context: &Context,
    name: &str,
    bug: &Bug,
    program: PathBuf,
    way: Way,
) -> Result<Vec<Evidence>, Failure> {
    run_alone(context, name, program, way, |end, stdout, report| {
        let mut problems = Vec::new();
        if end != End::Exit(1) {
            problems.push(format!("{end} instead of exit status 1"));
        }
        if stdout.contains(SURVIVED) {
            problems.push("the program went on after the error".to_owned());
        }
        match Report::find(report, "DanglessVMM") {
            Some(report) => {
                problems.extend(report_problems(&bug.header, &report, Exactness::Detect));
            }
            None => problems.push("no report".to_owned()),
        }
        problems
    })
}

/// What happens within a few instructions of the free may go unseen where frees come fast; none of
/// these programs frees that fast before its error.
fn check_protected(
    context: &Context,
    name: &str,
    bug: &Bug,
    program: PathBuf,
) -> Result<Vec<Evidence>, Failure> {
    run_alone(
        context,
        name,
        program,
        Way::Protect,
        |end, stdout, report| {
            let mut problems = Vec::new();
            if end != End::Exit(1) || stdout.contains(SURVIVED) {
                problems.push(format!("{end}: the program was not stopped"));
            }
            match Report::find(report, "DanglessVMM") {
                Some(report) => {
                    problems.extend(report_problems(&bug.header, &report, Exactness::Protect));
                }
                None => problems.push("no report".to_owned()),
            }
            problems
        },
    )
}

fn check_oracle(
    context: &Context,
    name: &str,
    bug: &Bug,
    program: PathBuf,
) -> Result<Vec<Evidence>, Failure> {
    run_alone(
        context,
        name,
        program,
        Way::Native,
        |_, _, report| match Report::find(report, "AddressSanitizer") {
            Some(report) => report_problems(&bug.header, &report, Exactness::Oracle),
            None => vec!["AddressSanitizer finds nothing".to_owned()],
        },
    )
}

fn check_oracle_twin(
    context: &Context,
    name: &str,
    _: &Bug,
    program: PathBuf,
) -> Result<Vec<Evidence>, Failure> {
    run_alone(context, name, program, Way::Native, |end, _, report| {
        let mut problems = Vec::new();
        if end != End::Exit(0) {
            problems.push(format!("{end} instead of exit status 0"));
        }
        if Report::find(report, "AddressSanitizer").is_some() {
            problems.push("AddressSanitizer finds an error in the twin".to_owned());
        }
        problems
    })
}

/// Runs a program one way only; `judge` gets how it ended, its output and its errors.
fn run_alone(
    context: &Context,
    name: &str,
    program: PathBuf,
    way: Way,
    judge: impl FnOnce(End, &str, &str) -> Vec<String>,
) -> Result<Vec<Evidence>, Failure> {
    let place = name.replace("::", "/");
    // Flat, since a case may be the prefix of another that runs at the same time.
    let scratch = Scratch::new(settings::build("test-run").join(name.replace("::", ".")))?;
    let mut step = Step::new(program, &[]);
    step.limit = LIMIT;
    let guest = way != Way::Native;
    step.options = match way {
        Way::Native | Way::Detect => Vec::new(),
        Way::Paged => ["--aliasing", "page"].map(str::to_owned).to_vec(),
        Way::Lent => ["--aliasing", "program"].map(str::to_owned).to_vec(),
        Way::Protect => ["--profile", "protect"].map(str::to_owned).to_vec(),
    };
    if !guest {
        // Leaks are not what is looked for, and looking for them needs ptrace.
        let options = "detect_leaks=0:fast_unwind_on_malloc=0:allocator_may_return_null=1";
        step.environment
            .push(("ASAN_OPTIONS".to_owned(), options.to_owned()));
    }
    let log = settings::build("test-logs").join(&place).join("run");
    let outcome = execution::run(&step.invocation(context, scratch.path(), guest)?, &log)?;
    let evidence = vec![Evidence::new("run", &log, &outcome)];
    let stdout = String::from_utf8_lossy(&outcome.stdout);
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    let problems = judge(outcome.end, &stdout, &stderr);
    if problems.is_empty() {
        scratch.remove()?;
        Ok(evidence)
    } else {
        Err(Failure::Wrong { problems, evidence })
    }
}

/// How a program is run alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Native,
    Detect,
    Paged,
    Lent,
    Protect,
}

/// Whose report it is, and so how much it can say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exactness {
    /// Ours, with everything recorded.
    Detect,
    /// Ours, without sizes and stacks of allocation and free.
    Protect,
    /// The oracle may intercept a library function and so see a larger access, and does not know of
    /// system calls.
    Oracle,
}

/// What a report does not say as the source has it.
fn report_problems(header: &Header, report: &Report, exactness: Exactness) -> Vec<String> {
    let exact = exactness != Exactness::Oracle;
    let mut problems = Vec::new();
    let mut differ = |what: &str, found: Option<String>, wanted: String| {
        if found.as_ref() != Some(&wanted) {
            let found = found.unwrap_or_else(|| "nothing".to_owned());
            problems.push(format!("{what}: {found} instead of {wanted}"));
        }
    };
    let mut expected = header.words("expect").into_iter();
    let kind = expected.next().unwrap_or_default();
    differ("kind", Some(report.kind.clone()), kind.clone());
    if let Some(access) = expected.next() {
        differ("access", report.access.clone(), access);
    }
    if let Some(size) = expected.next() {
        differ(
            "access size",
            report.size.map(|size| size.to_string()),
            size,
        );
    }
    if exact {
        differ("summary", report.summary.clone(), kind);
        let region = header.get("region");
        if let (Some(region), Exactness::Detect) = (region, exactness) {
            let found = report
                .region
                .map(|(offset, size)| format!("{offset} of {size}"));
            differ("region", found, region.to_owned());
        }
        let call = header.words("call");
        if let Some(name) = call.first() {
            let argument = call
                .get(1)
                .map_or(String::new(), |number| format!(", argument {number}"));
            let wanted = format!("{name}{argument}");
            let full = report.call.clone().unwrap_or_default();
            let agrees = full.strip_prefix(&wanted).is_some_and(|rest| {
                rest.chars()
                    .next()
                    .is_none_or(|next| !next.is_ascii_alphanumeric())
            });
            differ(
                "system call",
                if agrees {
                    Some(wanted.clone())
                } else {
                    report.call.clone()
                },
                wanted,
            );
        }
    }
    let file = header
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let stacks = [
        (Marker::Fault, "the error", &report.fault),
        (Marker::Free, "the free", &report.free),
        (Marker::Alloc, "the allocation", &report.alloc),
    ];
    for (marker, what, stack) in stacks {
        if exactness == Exactness::Protect && marker != Marker::Fault {
            continue;
        }
        let lines = header.marked(marker);
        if !exact && header.get("oracle") == Some("forgetful") && marker != Marker::Fault {
            // It lets some calls overwrite its own record of the object.
            continue;
        }
        if !lines.is_empty() && !Report::names(stack, &file, &lines) {
            let lines: Vec<String> = lines.iter().map(|line| format!("{file}:{line}")).collect();
            problems.push(format!(
                "the stack of {what} does not name {}",
                lines.join(" or ")
            ));
        }
    }
    problems
}
