//! The same steps natively and under the VMM: output, status and files left behind must be equal.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::execution::{self, Invocation, Outcome};
use crate::scratch::Scratch;
use crate::settings;
use crate::store::BuildError;
use crate::suite::{Context, Evidence, Failure};

/// One program run in a case.
#[derive(Clone, Debug)]
pub struct Step {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What its environment has beyond the usual.
    pub environment: Vec<(String, String)>,
    /// Its standard input; nothing if absent.
    pub input: Option<PathBuf>,
    /// The status it must end with, 128 and the signal's number for a death by signal.
    pub status: i32,
    /// How long it may take on an ordinary machine.
    pub limit: Duration,
    /// Whether the VMM finds no malloc in it, and has to say so in one line.
    pub unprotected: bool,
    /// Options for the VMM beyond those of all cases.
    pub options: Vec<String>,
    /// Whether it prints how long things took: such figures are not compared.
    pub times: bool,
}

impl Step {
    /// A step that ends with status 0 within 30 seconds.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            environment: Vec::new(),
            input: None,
            status: 0,
            limit: Duration::from_secs(30),
            unprotected: false,
            options: Vec::new(),
            times: false,
        }
    }

    /// The call to make in `folder`, under the VMM or natively.
    ///
    /// # Errors
    /// When there is no VMM.
    pub fn invocation(
        &self,
        context: &Context,
        folder: &Path,
        guest: bool,
    ) -> Result<Invocation, Failure> {
        let mut words = Vec::new();
        if guest {
            words.push(context.settings.vmm()?.to_string_lossy().into_owned());
            words.extend(context.settings.vmm_options());
            words.extend(self.options.iter().cloned());
        }
        words.push(self.program.to_string_lossy().into_owned());
        words.extend(self.arguments.iter().cloned());
        let usual = [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C"), ("TZ", "UTC")];
        let usual = usual.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = usual.into_iter().chain(self.environment.iter().cloned());
        Ok(Invocation {
            words,
            environment: environment.collect(),
            folder: folder.to_path_buf(),
            input: self.input.clone(),
            limit: context.settings.limit(self.limit),
        })
    }
}

/// Runs all steps natively in one empty folder, then all under the VMM in another of the same
/// name, and compares.
///
/// # Errors
/// When something differs or cannot be run.
pub fn compare(context: &Context, case: &str, steps: &[Step]) -> Result<Vec<Evidence>, Failure> {
    let place = case.replace("::", "/");
    let logs = settings::build("test-logs").join(&place);
    // Flat, since a case may be the prefix of another that runs at the same time.
    let folder = settings::build("test-run").join(case.replace("::", "."));
    let mut evidence = Vec::new();
    let mut problems = Vec::new();

    let (native, natives) = run_all(context, steps, &folder, &logs, false, &mut evidence)?;
    for (number, (step, outcome)) in (1..).zip(steps.iter().zip(&natives)) {
        if outcome.end.shell_status() != Some(step.status) {
            let (end, status) = (outcome.end, step.status);
            problems.push(format!(
                "step {number}, natively: {end} instead of {status}"
            ));
        }
    }
    if !problems.is_empty() {
        return Err(Failure::Wrong { problems, evidence });
    }

    let (guest, guests) = run_all(context, steps, &folder, &logs, true, &mut evidence)?;
    for (number, ((step, native), guest)) in (1..).zip(steps.iter().zip(&natives).zip(&guests)) {
        let found = step_problems(step, native, guest);
        problems.extend(found.into_iter().map(|problem| match steps.len() {
            1 => problem,
            _ => format!("step {number}: {problem}"),
        }));
    }
    problems.extend(native.differences(&guest)?);
    if !problems.is_empty() {
        return Err(Failure::Wrong { problems, evidence });
    }
    native.remove()?;
    guest.remove()?;
    Ok(evidence)
}

/// The outcomes of all steps and the folder that they left behind.
fn run_all(
    context: &Context,
    steps: &[Step],
    place: &Path,
    logs: &Path,
    guest: bool,
    evidence: &mut Vec<Evidence>,
) -> Result<(Scratch, Vec<Outcome>), Failure> {
    let way = if guest { "guest" } else { "native" };
    // Both ways run under the same name, because programs may print it.
    let run = Scratch::new(place.join("run"))?;
    let mut outcomes = Vec::new();
    for (number, step) in (1..).zip(steps) {
        let log = logs.join(format!("{number}-{way}"));
        let invocation = step.invocation(context, run.path(), guest)?;
        let outcome = execution::run(&invocation, &log)?;
        evidence.push(Evidence::new(
            format!("step {number}, {way}"),
            &log,
            &outcome,
        ));
        outcomes.push(outcome);
    }
    let kept = Scratch::new(place.join(way))?;
    fs::rename(run.path(), kept.path()).map_err(BuildError::file(kept.path()))?;
    Ok((kept, outcomes))
}

fn step_problems(step: &Step, native: &Outcome, guest: &Outcome) -> Vec<String> {
    let mut problems = Vec::new();
    // The VMM ends as the program does, by a signal too.
    if guest.end != native.end {
        problems.push(format!("{} instead of {}", guest.end, native.end));
    }
    let (expected, found) = if step.times {
        (without_times(&native.stdout), without_times(&guest.stdout))
    } else {
        (native.stdout.clone(), guest.stdout.clone())
    };
    if expected != found {
        problems.push(first_difference("standard output", &expected, &found));
    }
    let mut errors = guest.stderr.as_slice();
    if step.unprotected {
        let end = errors
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        let (line, rest) = errors.split_at(end);
        if line.starts_with(b"dangless-vmm: ") {
            errors = rest;
        } else {
            problems.push("no warning that the program runs unprotected".to_owned());
        }
    }
    if native.stderr != errors {
        problems.push(first_difference("standard error", &native.stderr, errors));
    }
    problems
}

/// The text without its figures of the form `12.345s` and the blanks before them.
fn without_times(text: &[u8]) -> Vec<u8> {
    let is_time = |word: &str| {
        let figure = word.strip_suffix('s').unwrap_or_default();
        figure.contains('.') && figure.parse::<f64>().is_ok()
    };
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(|line| {
        let words = line.split_whitespace().filter(|word| !is_time(word));
        words.collect::<Vec<_>>().join(" ") + "\n"
    });
    lines.collect::<String>().into_bytes()
}

fn first_difference(what: &str, native: &[u8], guest: &[u8]) -> String {
    let lines = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (native, guest) = (lines(native), lines(guest));
    let count = native.len().max(guest.len());
    let at = (0..count).find(|&line| native.get(line) != guest.get(line));
    let show = |lines: &[String], at: usize| {
        lines.get(at).map_or_else(
            || "nothing".to_owned(),
            |line| format!("{:?}", line.chars().take(160).collect::<String>()),
        )
    };
    match at {
        Some(at) => format!(
            "{what}, line {}: {} instead of {}",
            at + 1,
            show(&guest, at),
            show(&native, at)
        ),
        None => format!("{what} differs in line ends or bytes that are no text"),
    }
}
