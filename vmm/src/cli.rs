//! The command line.

use clap::{Parser, ValueEnum};
use dangless_vmm::seccomp::Filter as SeccompFilter;
use dangless_vmm::syscalls::strace::filter::Filter;
use dangless_vmm::Reclaim;
use std::ffi::OsString;
use std::path::PathBuf;

/// Runs a program in a tiny virtual machine and stops its use-after-free, double free and invalid free.
#[derive(Debug, Parser)]
#[command(name = "dangless-vmm", version, arg_required_else_help = true)]
#[command(
    after_help = "exit status: the program's own, or death by its signal; 1 (or --exit-code) after a report; 125 if the VMM fails"
)]
pub struct Arguments {
    /// How the heap is treated.
    #[arg(long, value_enum, default_value_t = ProfileName::Detect)]
    pub profile: ProfileName,

    /// Privilege level to run in.
    #[arg(long, value_enum, default_value_t = RingName::Auto)]
    pub ring: RingName,

    /// Most memory for the program, such as 512M or 4G (default: the host's).
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,

    /// Sets a variable in the program's environment; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<(OsString, OsString)>,

    /// Starts from an empty environment.
    #[arg(long)]
    pub clear_env: bool,

    /// Working directory to start in.
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,

    /// Loads everything at fixed addresses.
    #[arg(long)]
    pub no_aslr: bool,

    /// Refuses a program whose malloc cannot be found.
    #[arg(long)]
    pub require_protection: bool,

    /// Frames kept of allocation and free stacks, 0 to 32.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(0..=32))]
    pub stack_depth: u64,

    /// Addresses for heap objects (default: 64T).
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub alias_size: Option<u64>,

    /// When addresses that no pointer refers to are used again: auto, never, or after SIZE of them.
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = reclaim)]
    pub reclaim: Reclaim,

    /// How objects get addresses: many at a time, or with a page-table entry for each page of each,
    /// in memory of the heap or of the program's own malloc.
    #[arg(long, value_enum, value_name = "WAY", default_value_t = AliasingName::Window)]
    pub aliasing: AliasingName,

    /// Zeroes freed memory before anybody can have it again.
    #[arg(long)]
    pub zero_on_free: bool,

    /// When freed objects are revoked (default: by profile and ring).
    #[arg(long, value_enum, value_name = "WHEN")]
    pub revoke: Option<RevokeName>,

    /// Share of run time for revoking inside free, 0 to 100 (default: 50 in detect, 5 in protect).
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub revoke_budget: Option<u8>,

    /// Most freed memory that waits for its revocation, such as 64M (default: half the heap).
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub quarantine: Option<u64>,

    /// Exit status after a report.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(0..=255))]
    pub exit_code: i32,

    /// Appends reports to FILE as JSON, one a line.
    #[arg(long, value_name = "FILE")]
    pub report_json: Option<PathBuf>,

    /// Prints system calls: all, or those in LIST (names or classes such as %file, separated by commas).
    #[arg(long, value_name = "LIST", num_args = 0..=1, require_equals = true, default_missing_value = "all", value_parser = Filter::parse)]
    pub strace: Option<Filter>,

    /// Prints a table of system calls at the end.
    #[arg(long)]
    pub stats: bool,

    /// Appends the runtime's log to FILE (default: standard error).
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,

    /// Detail of the runtime's log.
    #[arg(long, value_enum, default_value_t = LogLevel::None)]
    pub log_level: LogLevel,

    /// Says what the VMM decides.
    #[arg(short, long)]
    pub verbose: bool,

    /// Says what this host offers, and exits.
    #[arg(long)]
    pub doctor: bool,

    /// Whether programs that the program becomes (execve) run in a machine too, or on the host.
    #[arg(long, value_enum, value_name = "on|off", default_value_t = Switch::On, num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    pub follow_exec: Switch,

    /// Started by itself for `execve`: where relative paths among the options start. What the
    /// options do to folder and environment is done already.
    #[arg(long, hide = true, value_name = "DIR")]
    pub exec_base: Option<PathBuf>,

    /// Started by itself: the descriptor of the program.
    #[arg(long, hide = true, value_name = "FD")]
    pub exec_fd: Option<i32>,

    /// Started by itself: descriptors of what is known of the host, and of KVM, `FACTS:KVM`.
    #[arg(long, hide = true, value_name = "FDS", value_parser = descriptors)]
    pub exec_host: Option<[i32; 2]>,

    /// Started by itself: a limit on the address space, `RESOURCE:SOFT:HARD`.
    #[arg(long, hide = true, value_name = "LIMIT", value_parser = limit)]
    pub exec_limit: Vec<(u32, [u64; 2])>,

    /// Started by itself: a seccomp filter that the program has inherited, the oldest first.
    #[arg(long, hide = true, value_name = "HEX", value_parser = filter)]
    pub exec_filter: Vec<SeccompFilter>,

    /// What the program sees as its own name (default: as given).
    #[arg(long, value_name = "NAME", overrides_with = "argv0")]
    pub argv0: Option<OsString>,

    /// The program and its arguments.
    #[arg(
        trailing_var_arg = true,
        value_name = "PROGRAM [ARGUMENTS]",
        required_unless_present = "doctor"
    )]
    pub program: Vec<OsString>,
}

/// Values of `--follow-exec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

/// Values of `--profile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileName {
    /// Find bugs.
    Detect,
    /// Harden: freed memory is never reached by old pointers.
    Protect,
    /// The program's own allocator.
    Off,
}

/// Values of `--aliasing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AliasingName {
    /// 2 MiB at a time.
    Window,
    /// The classic scheme: page by page, each entry written and cleared for one object.
    Page,
    /// As page, over blocks of the program's own malloc.
    Program,
}

/// Values of `--revoke`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RevokeName {
    /// Inside free, always.
    Immediate,
    /// Inside free while the budget lasts, else by the next system call or 1 ms.
    Bounded,
    /// As bounded, but what exceeds the budget waits: in protect for the next tick with budget, in
    /// detect for the next system call.
    Adaptive,
}

/// Values of `--ring`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RingName {
    /// Ring 0 where it is native, else ring 3.
    Auto,
    /// Ring 0.
    #[value(name = "0")]
    Zero,
    /// Ring 3.
    #[value(name = "3")]
    Three,
}

/// Values of `--log-level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Nothing.
    None = 0,
    /// Errors.
    Error = 1,
    /// Warnings.
    Warn = 2,
    /// What happens.
    Info = 3,
    /// How it happens.
    Debug = 4,
    /// Every step.
    Trace = 5,
}

fn size(text: &str) -> Result<u64, String> {
    let bytes = bytes(text)?;
    if bytes < 64 << 20 {
        return Err("at least 64M is needed".to_owned());
    }
    Ok(bytes)
}

fn bytes(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 10),
        Some('m' | 'M') => (&text[..text.len() - 1], 20),
        Some('g' | 'G') => (&text[..text.len() - 1], 30),
        Some('t' | 'T') => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "not a size such as 512M or 4G".to_owned())?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "too large".to_owned())
}

fn reclaim(text: &str) -> Result<Reclaim, String> {
    match text {
        "auto" => Ok(Reclaim::Auto),
        "never" => Ok(Reclaim::Never),
        _ => size(text)
            .map(Reclaim::After)
            .map_err(|error| format!("neither auto nor never: {error}")),
    }
}

fn variable(text: &str) -> Result<(OsString, OsString), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("not of the form NAME=VALUE".to_owned()),
    }
}

fn descriptors(text: &str) -> Result<[i32; 2], String> {
    let numbers: Vec<i32> = text
        .split(':')
        .map_while(|word| word.parse().ok())
        .filter(|&number| number > 2)
        .collect();
    match numbers.as_slice() {
        &[one, other] if one != other => Ok([one, other]),
        _ => Err("it is two descriptors".to_owned()),
    }
}

fn limit(text: &str) -> Result<(u32, [u64; 2]), String> {
    let numbers: Vec<u64> = text
        .split(':')
        .map_while(|word| word.parse().ok())
        .collect();
    match numbers.as_slice() {
        &[resource, soft, hard] => Ok((resource as u32, [soft, hard])),
        _ => Err("it is three numbers".to_owned()),
    }
}

fn filter(text: &str) -> Result<SeccompFilter, String> {
    SeccompFilter::from_text(text).ok_or_else(|| "it is no filter".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("4g"), Ok(4 << 30));
        assert_eq!(size("134217728"), Ok(128 << 20));
        for wrong in ["", "M", "1M", "-1G", "99999999999T", "4GB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reclaim_is_a_word_or_a_size() {
        assert_eq!(reclaim("auto"), Ok(Reclaim::Auto));
        assert_eq!(reclaim("never"), Ok(Reclaim::Never));
        assert_eq!(reclaim("1G"), Ok(Reclaim::After(1 << 30)));
        assert!(reclaim("often").is_err() && reclaim("1M").is_err());
    }

    #[test]
    fn the_programs_own_options_are_left_alone() {
        let parsed =
            Arguments::parse_from(["dangless-vmm", "--ring", "3", "./ls", "--stats", "-v"]);
        assert_eq!(parsed.program, ["./ls", "--stats", "-v"]);
        assert!(!parsed.stats && !parsed.verbose);
    }
}
