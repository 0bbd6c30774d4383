//! The `dangless-vmm` command: a thin caller of the library.

mod cli;

use clap::Parser;
use cli::{Arguments, ProfileName, RingName};
use dangless_vmm::report::{json, Kind, Text};
use dangless_vmm::{doctor, Error, Outcome, Profile, RingChoice, Sandbox, Status, Watch};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit status of the VMM's own failures.
const FAILURE: u8 = 125;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let wanted = !error.use_stderr();
            // Nothing can be said if the message itself cannot be printed.
            let _ = error.print();
            return ExitCode::from(if wanted { 0 } else { FAILURE });
        }
    };
    if arguments.doctor {
        let diagnosis = doctor::examine();
        // Whoever closed standard output does not want to know.
        let _ = std::io::stdout().write_all(diagnosis.text.as_bytes());
        return ExitCode::from(if diagnosis.able { 0 } else { FAILURE });
    }
    match run(&arguments) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("dangless-vmm: {error}");
            ExitCode::from(FAILURE)
        }
    }
}

fn run(arguments: &Arguments) -> Result<u8, Error> {
    let Some((program, rest)) = arguments.program.split_first() else {
        return Ok(FAILURE);
    };
    let mut sandbox = Sandbox::new(find_program(program))
        .arguments(rest)
        .argument_zero(program)
        .profile(match arguments.profile {
            ProfileName::Detect => Profile::Detect,
            ProfileName::Off => Profile::Off,
        })
        .ring(match arguments.ring {
            RingName::Auto => RingChoice::Auto,
            RingName::Zero => RingChoice::Zero,
            RingName::Three => RingChoice::Three,
        })
        .aslr(!arguments.no_aslr)
        .stack_depth(arguments.stack_depth)
        .require_protection(arguments.require_protection)
        .inherit_descriptors(true)
        .watch(watch(arguments)?);
    if arguments.clear_env {
        sandbox = sandbox.clear_environment();
    }
    for (name, value) in &arguments.env {
        sandbox = sandbox.variable(name, value);
    }
    if let Some(directory) = &arguments.cwd {
        sandbox = sandbox.directory(directory);
    }
    if let Some(bytes) = arguments.memory {
        sandbox = sandbox.memory(bytes);
    }
    let outcome = sandbox.run_on_this_thread()?;
    tell(arguments, &outcome)?;
    Ok(match outcome.status {
        Status::Exited(status) => status as u8,
        Status::Signaled(signal) => 128u8.saturating_add(signal as u8),
        Status::Stopped => arguments.exit_code as u8,
    })
}

/// Looks a name without a slash up in PATH, as a shell does.
fn find_program(name: &std::ffi::OsStr) -> PathBuf {
    let given = PathBuf::from(name);
    if given.components().count() > 1 || given.is_file() && name.as_encoded_bytes().contains(&b'/')
    {
        return given;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or(given)
}

fn watch(arguments: &Arguments) -> Result<Watch, Error> {
    let mut watch = Watch::default()
        .stats(arguments.stats)
        .log_level(arguments.log_level as u64)
        .verbose(arguments.verbose)
        .notes(true);
    if let Some(filter) = &arguments.strace {
        watch = watch.strace(filter.clone());
    }
    if let Some(path) = &arguments.log {
        let what = "cannot open the log file";
        let file = open(path, what)?;
        watch = watch
            .log(file)
            .map_err(|source| Error::Process { what, source })?;
    }
    Ok(watch)
}

fn open(path: &PathBuf, what: &'static str) -> Result<File, Error> {
    File::options()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|source| Error::Process { what, source })
}

fn tell(arguments: &Arguments, outcome: &Outcome) -> Result<(), Error> {
    let mut error = std::io::stderr().lock();
    for report in &outcome.reports {
        // The program's own crash is told as natively: by its exit status.
        if report.kind == Kind::Segv && !arguments.verbose {
            continue;
        }
        // A closed standard error leaves the exit status and the JSON file.
        let _ = write!(error, "{}", Text::new(report));
    }
    if let Some(table) = &outcome.statistics {
        let _ = write!(error, "{table}");
    }
    if let Some(path) = &arguments.report_json {
        let what = "cannot write the JSON report";
        let mut file = open(path, what)?;
        for report in &outcome.reports {
            json::write(report, &mut file).map_err(|source| Error::Process { what, source })?;
        }
    }
    Ok(())
}
