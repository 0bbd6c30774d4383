//! One run of one program, within a time limit, its output kept in files.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{kill_process_group, Pid, Signal};
use thiserror::Error;
use wait_timeout::ChildExt;

/// A run could not be made at all.
#[derive(Debug, Error)]
#[error("{what}: {error}")]
pub struct ExecutionError {
    what: String,
    error: io::Error,
}

impl ExecutionError {
    fn new(what: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self {
            what: what.display().to_string(),
            error,
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// By the harness, because its time was up.
    TimeOut(Duration),
}

impl End {
    /// The status that a shell would report: 128 and the signal's number for a death
    /// by signal. None after a time-out.
    #[must_use]
    pub fn shell_status(self) -> Option<i32> {
        match self {
            Self::Exit(status) => Some(status),
            Self::Signal(signal) => Some(128 + signal),
            Self::TimeOut(_) => None,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(status) => write!(f, "exit status {status}"),
            Self::Signal(signal) => write!(f, "death by signal {signal}"),
            Self::TimeOut(limit) => write!(f, "no end within {limit:?}"),
        }
    }
}

/// A program with all that it is given.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Its working folder.
    pub folder: PathBuf,
    /// Its standard input; nothing if absent.
    pub input: Option<PathBuf>,
    /// How long it may take.
    pub limit: Duration,
}

/// What a run did.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

/// Runs a program, leaving its output in `LOG.stdout` and `LOG.stderr` and how it was called in
/// `LOG.command`.
///
/// # Errors
/// When the program cannot be started, or the files cannot be written or read.
pub fn run(invocation: &Invocation, log: &Path) -> Result<Outcome, ExecutionError> {
    let (out, err) = (log.with_extension("stdout"), log.with_extension("stderr"));
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).map_err(ExecutionError::new(folder))?;
    }
    let record = log.with_extension("command");
    fs::write(&record, describe(invocation)).map_err(ExecutionError::new(&record))?;
    let create = |path: &Path| File::create(path).map_err(ExecutionError::new(path));
    let input = match &invocation.input {
        None => Stdio::null(),
        Some(path) => Stdio::from(File::open(path).map_err(ExecutionError::new(path))?),
    };
    let Some((program, arguments)) = invocation.words.split_first() else {
        return Err(ExecutionError::new(log)(io::ErrorKind::InvalidInput.into()));
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(invocation.environment.iter().cloned())
        .current_dir(&invocation.folder)
        .stdin(input)
        .stdout(create(&out)?)
        .stderr(create(&err)?)
        .process_group(0)
        .spawn()
        .map_err(ExecutionError::new(Path::new(program)))?;
    let end =
        wait(&mut child, invocation.limit).map_err(ExecutionError::new(Path::new(program)))?;
    let read = |path: &Path| fs::read(path).map_err(ExecutionError::new(path));
    Ok(Outcome {
        end,
        stdout: read(&out)?,
        stderr: read(&err)?,
    })
}

/// Waits for the child; past the limit it and all it started are killed.
fn wait(child: &mut Child, limit: Duration) -> io::Result<End> {
    if let Some(status) = child.wait_timeout(limit)? {
        return Ok(end_of(status));
    }
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        kill_process_group(group, Signal::KILL)?;
    }
    child.wait()?;
    Ok(End::TimeOut(limit))
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exit(code),
        (None, Some(signal)) => End::Signal(signal),
        // The kernel reports one or the other for a process that has ended.
        (None, None) => End::Exit(status.into_raw()),
    }
}

/// A command line that can be pasted into a shell.
#[must_use]
pub fn describe(invocation: &Invocation) -> String {
    let mut text = format!(
        "cd {} && env -i",
        quote(&invocation.folder.to_string_lossy())
    );
    for (name, value) in &invocation.environment {
        text.push_str(&format!(" {name}={}", quote(value)));
    }
    for word in &invocation.words {
        text.push(' ');
        text.push_str(&quote(word));
    }
    let input = invocation
        .input
        .as_deref()
        .unwrap_or(Path::new("/dev/null"));
    text.push_str(&format!(" < {}\n", quote(&input.to_string_lossy())));
    text
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
