//! The Open POSIX Test Suite: every test run natively and under the VMM must end alike.
//!
//! `posix/quick.txt` names the tests that are run always, `posix/slow.txt` those that take longer
//! than half a second natively (most of them sleep), which `DANGLESS_TEST_POSIX=all` adds,
//! `posix/unsteady.txt` those whose end depends on chance natively too, each with its reason, and
//! `posix/open.txt` those that do not end as natively: these two are not run. Tests that set the
//! machine's clock are in none of the lists. One case holds the tests of one interface; a test that
//! ends differently is run twice more, since much in the suite hangs on the scheduler.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::comparison::Step;
use crate::execution::{self, Outcome};
use crate::recipe::Recipe;
use crate::scratch::Scratch;
use crate::settings;
use crate::store::{BuildError, Store};
use crate::suite::{Case, Context, Evidence, Failure};

/// How often a test that ended differently is run again, natively and in the guest: many of them
/// hang on the scheduler.
const AGAIN: u32 = 2;
/// How long a quick test may take.
const QUICK: Duration = Duration::from_secs(20);
/// How long a slow test may take: some never end, natively neither.
const SLOW: Duration = Duration::from_secs(60);

/// Runs a command with System V objects and message queues of its own.
const UNSHARE: [&str; 2] = ["/usr/bin/unshare", "--ipc"];

/// One case for each interface.
///
/// # Errors
/// When a list or the recipe cannot be read.
pub fn cases() -> Result<Vec<Case>, BuildError> {
    let recipe = Arc::new(Recipe::read("posix")?);
    let mut lists = vec![("quick.txt", QUICK)];
    if std::env::var_os("DANGLESS_TEST_POSIX").is_some_and(|value| value == "all") {
        lists.push(("slow.txt", SLOW));
    }
    let mut left_out = names("unsteady.txt")?;
    left_out.extend(names("open.txt")?);
    let mut groups: BTreeMap<String, Vec<(String, Duration)>> = BTreeMap::new();
    for (list, limit) in lists {
        for name in names(list)? {
            if !left_out.contains(&name) {
                let tests = groups.entry(interface(&name).to_owned()).or_default();
                tests.push((name, limit));
            }
        }
    }
    let cases = groups.into_iter().map(|(interface, tests)| {
        let (builder, recipe) = (Arc::clone(&recipe), Arc::clone(&recipe));
        let name = format!("posix::{interface}");
        Case {
            name: name.clone(),
            build: Box::new(move |store| program(&builder, store).map(drop)),
            check: Box::new(move |context| check(context, &recipe, &name, &tests)),
        }
    });
    Ok(cases.collect())
}

fn program(recipe: &Recipe, store: &Store) -> Result<PathBuf, BuildError> {
    Ok(recipe.obtain(store)?.join("posix"))
}

/// The first words of the lines of a list; `#` starts a comment.
fn names(list: &str) -> Result<Vec<String>, BuildError> {
    let path = settings::package("posix").join(list);
    let text = fs::read_to_string(&path).map_err(BuildError::file(&path))?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let words = lines.filter_map(|line| line.split_whitespace().next());
    Ok(words.map(str::to_owned).collect())
}

/// `sigaction` of `interfaces_sigaction_1_1`.
fn interface(test: &str) -> &str {
    let inner = test.split_once('_').map_or(test, |(_, inner)| inner);
    let number = |(at, _): &(usize, &str)| {
        let next = inner.as_bytes().get(at + 1);
        next.is_some_and(u8::is_ascii_digit) || inner[*at..].starts_with("_speculative")
    };
    let end = inner.match_indices('_').find(number);
    end.map_or(inner, |(at, _)| &inner[..at])
}

fn check(
    context: &Context,
    recipe: &Recipe,
    case: &str,
    tests: &[(String, Duration)],
) -> Result<Vec<Evidence>, Failure> {
    let program = program(recipe, &context.store)?;
    let logs = settings::build("test-logs").join(case.replace("::", "/"));
    let (mut evidence, mut problems) = (Vec::new(), Vec::new());
    for (test, limit) in tests {
        let mut step = Step::new(&program, &[test]);
        step.limit = *limit;
        let mut native = run(context, &step, &logs, test, false)?;
        let mut guest = run(context, &step, &logs, test, true)?;
        for _ in 0..AGAIN {
            if native.end.shell_status() == guest.end.shell_status() {
                break;
            }
            native = run(context, &step, &logs, test, false)?;
            guest = run(context, &step, &logs, test, true)?;
        }
        if native.end.shell_status() != guest.end.shell_status() {
            problems.push(format!("{test}: {} instead of {}", guest.end, native.end));
            for (way, outcome) in [("native", native), ("guest", guest)] {
                let log = logs.join(format!("{test}-{way}"));
                evidence.push(Evidence::new(format!("{test}, {way}"), &log, &outcome));
            }
        }
    }
    if problems.is_empty() {
        return Ok(evidence);
    }
    Err(Failure::Wrong { problems, evidence })
}

fn run(
    context: &Context,
    step: &Step,
    logs: &Path,
    test: &str,
    guest: bool,
) -> Result<Outcome, Failure> {
    let way = if guest { "guest" } else { "native" };
    let folder = Scratch::new(settings::build("test-run").join(format!("posix.{test}")))?;
    let mut invocation = step.invocation(context, folder.path(), guest)?;
    if has_namespaces() {
        let apart = UNSHARE.map(str::to_owned);
        invocation.words.splice(..0, apart);
    }
    let outcome = execution::run(&invocation, &logs.join(format!("{test}-{way}")))?;
    folder.remove()?;
    Ok(outcome)
}

/// Whether tests can have message queues of their own: some leave theirs behind, until the user has
/// no more.
fn has_namespaces() -> bool {
    static HAVE: OnceLock<bool> = OnceLock::new();
    let [command, options @ ..] = UNSHARE;
    let tried = || {
        let mut attempt = Command::new(command);
        attempt.args(options).arg("true").stderr(Stdio::null());
        attempt.status()
    };
    *HAVE.get_or_init(|| tried().is_ok_and(|status| status.success()))
}

#[cfg(test)]
mod tests {
    use super::interface;

    #[test]
    fn the_interface_is_what_stands_before_the_numbers() {
        for (test, expected) in [
            ("interfaces_sigaction_10_1", "sigaction"),
            ("interfaces_pthread_cond_wait_2_1", "pthread_cond_wait"),
            ("interfaces_mlock_speculative_12_1", "mlock"),
            ("behavior_timers_1_1", "timers"),
        ] {
            assert_eq!(interface(test), expected);
        }
    }
}
