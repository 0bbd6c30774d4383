//! Running a program: the builder that embedders and the binary use.
//!
//! ```no_run
//! use dangless_vmm::{Profile, Sandbox};
//!
//! let outcome = Sandbox::new("./program").argument("input.txt").profile(Profile::Detect).run()?;
//! for report in &outcome.reports {
//!     eprintln!("{report}");
//! }
//! # Ok::<(), dangless_vmm::Error>(())
//! ```
//!
//! Each program runs on a thread of its own with its own working directory and descriptor table
//! (`unshare(2)`), so that several run side by side in one process without meeting each other's
//! descriptors or the embedder's.

mod addresses;
mod descriptors;
mod ending;
mod prepare;
mod revocation;
mod script;

use addresses::Addresses;
pub use addresses::{Aliasing, Reclaim};
pub use descriptors::Stdio;
pub use revocation::Revoke;

use crate::exec::{launch, Policy};
use crate::loader::elf::ElfError;
use crate::loader::image::ImageError;
use crate::loader::interpose::InterposeError;
use crate::machine::boot::{BootError, RingChoice};
use crate::machine::facts::Legacy;
use crate::observe::Watch;
use crate::report::Report;
use crate::seccomp::Filter;
use crate::syscalls::state::Limits;
use revocation::Revocation;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the program's heap is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Finds bugs: every free revokes, stacks are recorded.
    #[default]
    Detect,
    /// Hardens a program: no pointer into freed memory reaches another object; nothing is recorded.
    Protect,
    /// The program's own allocator: the machine alone.
    Off,
}

impl Profile {
    /// The profile's number in the runtime's configuration.
    fn number(self) -> u64 {
        match self {
            Self::Off => 0,
            Self::Detect => 1,
            Self::Protect => 2,
        }
    }
}

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine could not be made.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The program's file cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The program.
        path: PathBuf,
        /// What the host said.
        source: io::Error,
    },
    /// The program's file is not one that can be run.
    #[error("cannot run {}: {source}", path.display())]
    Elf {
        /// The program.
        path: PathBuf,
        /// What is wrong with it.
        source: ElfError,
    },
    /// The program could not be mapped.
    #[error("cannot load {}: {source}", path.display())]
    Image {
        /// The program.
        path: PathBuf,
        /// What failed.
        source: ImageError,
    },
    /// The malloc family could not be replaced.
    #[error("cannot protect {}: {source}", path.display())]
    Interpose {
        /// The program.
        path: PathBuf,
        /// What failed.
        source: InterposeError,
    },
    /// Protection was required, and there is none.
    #[error("{}: no malloc and free found (is it stripped?), and protection is required", path.display())]
    Unprotected {
        /// The program.
        path: PathBuf,
    },
    /// Arguments and environment do not fit the stack.
    #[error("arguments and environment are too long for the stack")]
    Arguments,
    /// An argument holds a NUL byte.
    #[error("argument or environment variable {0:?} holds a NUL byte")]
    Nul(OsString),
    /// Something about the host's process failed.
    #[error("{what}: {source}")]
    Process {
        /// What was tried.
        what: &'static str,
        /// What the host said.
        source: io::Error,
    },
    /// The machine stopped working while the program ran.
    #[error("the program cannot go on: {0}")]
    Broken(String),
}

impl Error {
    fn interpose(path: &Path, source: InterposeError) -> Self {
        Self::Interpose {
            path: path.to_owned(),
            source,
        }
    }
}

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It exited with this status, 0 to 255.
    Exited(i32),
    /// This signal killed it.
    Signaled(i32),
    /// A memory error stopped it.
    Stopped,
}

/// What a run leaves behind.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How the program ended.
    pub status: Status,
    /// The memory errors found.
    pub reports: Vec<Report>,
    /// What it wrote to standard output, if that was captured.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, if that was captured.
    pub stderr: Vec<u8>,
    /// Whether its heap was protected.
    pub protected: bool,
    /// System-call counts, if they were asked for: a table as `strace -c` prints it.
    pub statistics: Option<String>,
}

/// What is done at the end of a child process; the exit status after a report.
type Teller = dyn Fn(&Outcome) -> u8 + Send + Sync;

/// A program and how it is to be run.
pub struct Sandbox {
    program: PathBuf,
    argument_zero: Option<OsString>,
    arguments: Vec<OsString>,
    /// `NAME=VALUE`, in order.
    environment: Vec<OsString>,
    directory: Option<PathBuf>,
    file: Option<File>,
    policy: Policy,
    limits: Limits,
    /// What an earlier start of the same command has left.
    legacy: Option<Legacy>,
    filters: Vec<Filter>,
    /// Whether the program has this process for itself.
    alone: bool,
    children: Option<Arc<Teller>>,
    profile: Profile,
    ring: RingChoice,
    memory: u64,
    aslr: bool,
    stack_depth: u64,
    addresses: Addresses,
    revocation: Revocation,
    zero_on_free: bool,
    require_protection: bool,
    stdio: Stdio,
    inherit_descriptors: bool,
    watch: Watch,
}

impl Sandbox {
    /// The program at `program`, with no arguments, this process's environment, all defaults.
    #[must_use]
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            argument_zero: None,
            arguments: Vec::new(),
            environment: launch::own_environment(),
            directory: None,
            file: None,
            policy: Policy::Refuse,
            limits: Limits::new(),
            legacy: None,
            filters: Vec::new(),
            alone: false,
            children: None,
            profile: Profile::Detect,
            ring: RingChoice::Auto,
            memory: host_memory(),
            aslr: true,
            stack_depth: 16,
            addresses: Addresses::ALL,
            revocation: Revocation::default(),
            zero_on_free: false,
            require_protection: false,
            stdio: Stdio::Inherited,
            inherit_descriptors: false,
            watch: Watch::default(),
        }
    }

    /// What the program sees as its own name. Default: its path.
    #[must_use]
    pub fn argument_zero(mut self, name: impl AsRef<OsStr>) -> Self {
        self.argument_zero = Some(name.as_ref().to_owned());
        self
    }

    /// Adds one argument.
    #[must_use]
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<I: IntoIterator>(mut self, arguments: I) -> Self
    where
        I::Item: AsRef<OsStr>,
    {
        self.arguments
            .extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets one environment variable.
    #[must_use]
    pub fn variable(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let name = name.as_ref().as_bytes();
        self.environment.retain(|known| {
            let known = known.as_bytes();
            !(known.starts_with(name) && known.get(name.len()) == Some(&b'='))
        });
        let pair = [name, b"=", value.as_ref().as_bytes()].concat();
        self.environment.push(OsString::from_vec(pair));
        self
    }

    /// The whole environment: `NAME=VALUE`, in this order, or whatever else the strings are.
    #[must_use]
    pub fn environment(mut self, strings: Vec<OsString>) -> Self {
        self.environment = strings;
        self
    }

    /// Starts from an empty environment.
    #[must_use]
    pub fn clear_environment(mut self) -> Self {
        self.environment.clear();
        self
    }

    /// The working directory it starts in.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// The program's file, already open; the path is its name only.
    #[must_use]
    pub fn file(mut self, file: File) -> Self {
        self.file = Some(file);
        self
    }

    /// What becomes of `execve`. Default: EPERM.
    ///
    /// A program that is replaced takes this process with it, unless it is a child of the first
    /// one. So under [`Sandbox::run`], in a process that does other things too, only children may
    /// be replaced; the first gets EPERM in any case.
    #[must_use]
    pub fn exec(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// What is done at the end of a child process (`fork`), in that process: tell the user about
    /// its reports; the result is the exit status after a report. Default: reports go to standard
    /// error as text, and the status is 1.
    #[must_use]
    pub fn children(mut self, tell: impl Fn(&Outcome) -> u8 + Send + Sync + 'static) -> Self {
        self.children = Some(Arc::new(tell));
        self
    }

    /// How its heap is treated.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// What an earlier start of the same command, with the same options, has left.
    #[must_use]
    pub fn legacy(mut self, legacy: Option<Legacy>) -> Self {
        self.legacy = legacy;
        self
    }

    /// Limits on the address space that the program starts with (`RLIMIT_AS`, `RLIMIT_DATA`,
    /// `RLIMIT_STACK`): soft and hard, by resource. Default: none but the host's on the stack.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Seccomp filters that the program starts with, the oldest first. Default: none.
    #[must_use]
    pub fn filters(mut self, filters: Vec<Filter>) -> Self {
        self.filters = filters;
        self
    }

    /// When freed objects are revoked. Default: in [`Profile::Detect`] at once in ring 0 and adaptive
    /// in ring 3; adaptive in [`Profile::Protect`].
    #[must_use]
    pub fn revoke(mut self, when: Revoke) -> Self {
        self.revocation.when = Some(when);
        self
    }

    /// Per cent of run time, at most 100, that revoking objects inside `free` may take. Default: 50 in
    /// [`Profile::Detect`], 5 in [`Profile::Protect`].
    #[must_use]
    pub fn revoke_budget(mut self, percent: u8) -> Self {
        self.revocation.budget = Some(percent);
        self
    }

    /// Most bytes of freed objects that wait for their revocation. Default: 32 MiB, or half the heap
    /// if that is more.
    #[must_use]
    pub fn quarantine(mut self, bytes: u64) -> Self {
        self.revocation.quarantine = bytes.max(1);
        self
    }

    /// The ring it runs in.
    #[must_use]
    pub fn ring(mut self, ring: RingChoice) -> Self {
        self.ring = ring;
        self
    }

    /// The most memory it can have, in bytes; at least 64 MiB. Default: the host's memory.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Whether addresses are random. Default: yes.
    #[must_use]
    pub fn aslr(mut self, aslr: bool) -> Self {
        self.aslr = aslr;
        self
    }

    /// Frames kept of allocation and free stacks, 0 to 32. Default: 16.
    #[must_use]
    pub fn stack_depth(mut self, frames: u64) -> Self {
        self.stack_depth = frames;
        self
    }

    /// Bytes of addresses for heap objects, at most 64 TiB. Default: all of them.
    #[must_use]
    pub fn alias_size(mut self, bytes: u64) -> Self {
        self.addresses.size = bytes;
        self
    }

    /// When addresses are used again. Default: [`Reclaim::Auto`].
    #[must_use]
    pub fn reclaim(mut self, when: Reclaim) -> Self {
        self.addresses.reclaim = when;
        self
    }

    /// How heap objects get their addresses. Default: [`Aliasing::Window`].
    #[must_use]
    pub fn aliasing(mut self, aliasing: Aliasing) -> Self {
        self.addresses.aliasing = aliasing;
        self
    }

    /// Whether freed memory is zeroed before it is handed out again. Default: no.
    #[must_use]
    pub fn zero_on_free(mut self, zero: bool) -> Self {
        self.zero_on_free = zero;
        self
    }

    /// Whether a program without a malloc family to replace is refused. Default: no.
    #[must_use]
    pub fn require_protection(mut self, require: bool) -> Self {
        self.require_protection = require;
        self
    }

    /// Where its standard input, output and error lead.
    #[must_use]
    pub fn stdio(mut self, stdio: Stdio) -> Self {
        self.stdio = stdio;
        self
    }

    /// Whether descriptors above 2 of this process are the program's too. Default: no.
    #[must_use]
    pub fn inherit_descriptors(mut self, inherit: bool) -> Self {
        self.inherit_descriptors = inherit;
        self
    }

    /// Who watches its system calls and log.
    #[must_use]
    pub fn watch(mut self, watch: Watch) -> Self {
        self.watch = watch;
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started, or the machine breaks down.
    pub fn run(self) -> Result<Outcome, Error> {
        let (plumbing, capture) =
            descriptors::plan(self.stdio, self.inherit_descriptors, self.watch.kept())?;
        let thread = std::thread::Builder::new()
            .name("dangless-vcpu0".to_owned())
            .spawn(move || {
                plumbing.apply()?;
                self.run_here()
            })
            .map_err(|source| Error::Process {
                what: "cannot start a thread",
                source,
            })?;
        let (stdout, stderr) = capture.collect();
        let mut outcome = thread
            .join()
            .map_err(|_| Error::Broken("the VMM has a bug: its thread panicked".to_owned()))??;
        outcome.stdout = stdout;
        outcome.stderr = stderr;
        Ok(outcome)
    }

    /// Runs it to its end on the calling thread, whose descriptors, working directory and signal
    /// mask are the program's from then on; standard input, output and error are inherited. For
    /// commands that do nothing else: on the main thread, the program's process and thread ids
    /// are equal, as they are natively.
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    pub fn run_on_this_thread(mut self) -> Result<Outcome, Error> {
        self.alone = true;
        self.run_here()
    }

    fn run_here(mut self) -> Result<Outcome, Error> {
        if let Some(directory) = &self.directory {
            std::env::set_current_dir(directory).map_err(|source| Error::Process {
                what: "cannot enter the working directory",
                source,
            })?;
        }
        let first = self.prepare()?;
        let program = Arc::clone(first.program());
        let end = first.run_program();
        ending::outcome(&program, end).map_err(Error::Broken)
    }
}

/// The host's memory in bytes.
fn host_memory() -> u64 {
    // SAFETY: no pointers involved.
    let (pages, size) = unsafe {
        (
            libc::sysconf(libc::_SC_PHYS_PAGES),
            libc::sysconf(libc::_SC_PAGESIZE),
        )
    };
    u64::try_from(pages).unwrap_or(1 << 18) * u64::try_from(size).unwrap_or(4096)
}
