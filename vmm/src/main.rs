//! The `dangless-vmm` command: a thin caller of the library.

mod cli;

use clap::Parser;
use cli::{AliasingName, Arguments, ProfileName, RevokeName, RingName, Switch};
use dangless_vmm::exec::{launch, Launcher, Policy};
use dangless_vmm::machine::facts::Legacy;
use dangless_vmm::process::death::{die, Death};
use dangless_vmm::report::{json, Kind, Text};
use dangless_vmm::{
    doctor, Aliasing, Error, Outcome, Profile, Revoke, RingChoice, Sandbox, Status, Watch,
};
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Exit status of the VMM's own failures.
const FAILURE: u8 = 125;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            if error.use_stderr() {
                let text = error.render().to_string();
                eprint!("dangless-vmm: {}", text.trim_start_matches("error: "));
                return ExitCode::from(FAILURE);
            }
            // Whoever closed standard output does not want to know.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
    };
    if arguments.doctor {
        let diagnosis = doctor::examine();
        // Whoever closed standard output does not want to know.
        let _ = std::io::stdout().write_all(diagnosis.text.as_bytes());
        return ExitCode::from(if diagnosis.able { 0 } else { FAILURE });
    }
    match run(Arc::new(arguments)) {
        Ok(death) => die(death),
        Err(error) => {
            eprintln!("dangless-vmm: {error}");
            ExitCode::from(FAILURE)
        }
    }
}

fn run(arguments: Arc<Arguments>) -> Result<Death, Error> {
    let Some((program, rest)) = arguments.program.split_first() else {
        return Ok(Death::Exit(FAILURE));
    };
    let base = base(&arguments);
    let replaced = arguments.exec_base.is_some();
    let path = if replaced {
        PathBuf::from(program)
    } else {
        find_program(program)
    };
    name_process(&path, arguments.exec_fd);
    let children = Arc::clone(&arguments);
    let children_base = base.clone();
    let mut sandbox = Sandbox::new(path)
        .arguments(rest)
        .argument_zero(arguments.argv0.as_ref().unwrap_or(program))
        .profile(match arguments.profile {
            ProfileName::Detect => Profile::Detect,
            ProfileName::Protect => Profile::Protect,
            ProfileName::Off => Profile::Off,
        })
        .ring(match arguments.ring {
            RingName::Auto => RingChoice::Auto,
            RingName::Zero => RingChoice::Zero,
            RingName::Three => RingChoice::Three,
        })
        .aslr(!arguments.no_aslr)
        .stack_depth(arguments.stack_depth)
        .aliasing(match arguments.aliasing {
            AliasingName::Window => Aliasing::Window,
            AliasingName::Page => Aliasing::Page,
            AliasingName::Program => Aliasing::Program,
        })
        .zero_on_free(arguments.zero_on_free)
        .require_protection(arguments.require_protection)
        .inherit_descriptors(true)
        .exec(policy(&arguments, &base)?)
        .children(move |outcome| {
            if let Err(error) = tell(&children, &children_base, outcome) {
                eprintln!("dangless-vmm: {error}");
            }
            children.exit_code as u8
        })
        .watch(watch(&arguments, &base)?);
    if let Some(when) = arguments.revoke {
        sandbox = sandbox.revoke(match when {
            RevokeName::Immediate => Revoke::Immediate,
            RevokeName::Bounded => Revoke::Bounded,
            RevokeName::Adaptive => Revoke::Adaptive,
        });
    }
    if let Some(percent) = arguments.revoke_budget {
        sandbox = sandbox.revoke_budget(percent);
    }
    if let Some(bytes) = arguments.quarantine {
        sandbox = sandbox.quarantine(bytes);
    }
    if let Some(bytes) = arguments.memory {
        sandbox = sandbox.memory(bytes);
    }
    if let Some(descriptor) = arguments.exec_fd {
        // SAFETY: whoever started this process for `execve` has given it this descriptor; nothing
        // else here uses it.
        let file = unsafe { File::from_raw_fd(descriptor) };
        sandbox = sandbox.file(file);
    }
    if let Some([facts, kvm]) = arguments.exec_host {
        // SAFETY: as above, for both.
        let [facts, kvm] = unsafe { [facts, kvm].map(|one| OwnedFd::from_raw_fd(one)) };
        sandbox = sandbox.legacy(Legacy::take(facts, kvm));
    }
    if replaced {
        sandbox = sandbox.environment(launch::undisguise(launch::own_environment()));
    } else {
        if arguments.clear_env {
            sandbox = sandbox.clear_environment();
        }
        for (name, value) in &arguments.env {
            sandbox = sandbox.variable(name, value);
        }
        if let Some(directory) = &arguments.cwd {
            sandbox = sandbox.directory(directory);
        }
    }
    if let Some(bytes) = arguments.alias_size {
        sandbox = sandbox.alias_size(bytes);
    }
    let limits = arguments.exec_limit.iter().copied().collect();
    sandbox = sandbox
        .limits(limits)
        .filters(arguments.exec_filter.clone())
        .reclaim(arguments.reclaim);
    let outcome = sandbox.run_on_this_thread()?;
    tell(&arguments, &base, &outcome)?;
    Ok(match outcome.status {
        Status::Exited(status) => Death::Exit(status as u8),
        Status::Signaled(signal) => Death::Signal(signal),
        Status::Stopped => Death::Exit(arguments.exit_code as u8),
    })
}

/// Where relative paths among the options start.
fn base(arguments: &Arguments) -> PathBuf {
    let given = arguments.exec_base.clone();
    // Without a working directory there is nothing that relative paths could lead to.
    given.unwrap_or_else(|| std::env::current_dir().unwrap_or_default())
}

/// What becomes of `execve`: this command again, with the options that it was given.
fn policy(arguments: &Arguments, base: &Path) -> Result<Policy, Error> {
    if arguments.follow_exec == Switch::Off {
        return Ok(Policy::Native);
    }
    let mut options: Vec<OsString> = std::env::args_os().skip(1).collect();
    options.truncate(options.len().saturating_sub(arguments.program.len()));
    if arguments.exec_base.is_some() {
        // What the last start for `execve` has added.
        let added = options.iter().rposition(|option| option == "--exec-base");
        options.truncate(added.unwrap_or(options.len()));
    } else if options.last().is_some_and(|option| option == "--") {
        options.pop();
    }
    let launcher = Launcher::new(Path::new("/proc/self/exe"), &options, base);
    Ok(Policy::Follow(launcher.map_err(|source| {
        Error::Process {
            what: "cannot open the VMM's own file",
            source,
        }
    })?))
}

/// Gives this process the program's name, for those who look from outside.
fn name_process(path: &Path, descriptor: Option<i32>) {
    let real = descriptor
        .filter(|_| path.parent() == Some(Path::new("/dev/fd")))
        .and_then(|number| std::fs::read_link(format!("/proc/self/fd/{number}")).ok());
    let path = real.as_deref().unwrap_or(path);
    let Some(name) = path.file_name() else { return };
    let Ok(name) = CString::new(name.as_encoded_bytes()) else {
        return;
    };
    // SAFETY: a C string, of which the kernel takes what fits.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
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

fn watch(arguments: &Arguments, base: &Path) -> Result<Watch, Error> {
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
        let file = open(&base.join(path), what)?;
        watch = watch
            .log(file)
            .map_err(|source| Error::Process { what, source })?;
    }
    Ok(watch)
}

fn open(path: &Path, what: &'static str) -> Result<File, Error> {
    File::options()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|source| Error::Process { what, source })
}

fn tell(arguments: &Arguments, base: &Path, outcome: &Outcome) -> Result<(), Error> {
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
        let mut file = open(&base.join(path), what)?;
        for report in &outcome.reports {
            json::write(report, &mut file).map_err(|source| Error::Process { what, source })?;
        }
    }
    Ok(())
}
