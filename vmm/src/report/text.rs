//! A report as text, in AddressSanitizer's layout, so that tools that read its reports read ours.

use std::fmt::{self, Display, Formatter};

use super::access::{Access, AccessKind};
use super::kind::Kind;
use super::object::{HeapObject, Relation};
use super::scene::Thread;
use super::value::Report;
use crate::symbols::Frame;

/// The name that reports carry where AddressSanitizer puts its own.
pub const BRAND: &str = "DanglessVMM";

const RULE: &str = "=================================================================";
/// Addresses below this are called the zero page, as AddressSanitizer does.
const ZERO_PAGE: u64 = 4096;

/// Prints a report.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// What to print.
    pub report: &'a Report,
    /// Name of the tool in the `ERROR` and `SUMMARY` lines, usually [`BRAND`].
    pub brand: &'a str,
    /// Whether the program ends here: adds the last line.
    pub aborting: bool,
}

/// As [`Text::new`] prints it.
impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Text::new(self).fmt(f)
    }
}

impl<'a> Text<'a> {
    /// The text of `report`, under our own name, for a program that ends here.
    #[must_use]
    pub const fn new(report: &'a Report) -> Self {
        Self {
            report,
            brand: BRAND,
            aborting: true,
        }
    }

    fn headline(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { report, brand, .. } = *self;
        let Report { pc, bp, sp, .. } = *report;
        let address = Address(report.address.unwrap_or_default());
        let thread = Name(report.thread);
        write!(f, "=={}==ERROR: {brand}: ", report.pid)?;
        match report.kind {
            Kind::HeapUseAfterFree => writeln!(
                f,
                "heap-use-after-free on address {address} at pc {} bp {} sp {}",
                Address(pc),
                Address(bp),
                Address(sp)
            ),
            Kind::DoubleFree => {
                writeln!(f, "attempting double-free on {address} in {thread}:")
            }
            Kind::BadFree => writeln!(
                f,
                "attempting free on address which was not malloc()-ed: {address} in {thread}"
            ),
            Kind::BadMallocUsableSize => writeln!(
                f,
                "attempting to call malloc_usable_size() for pointer which is not owned: {address}"
            ),
            Kind::Segv => {
                write!(f, "SEGV on unknown address ")?;
                if report.address.is_some() {
                    write!(f, "{address} ")?;
                }
                writeln!(
                    f,
                    "(pc {} bp {} sp {} {})",
                    Address(pc),
                    Address(bp),
                    Address(sp),
                    Short(report.thread)
                )
            }
        }
    }

    fn access(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.report;
        match report.kind {
            Kind::Segv => self.signal(f)?,
            Kind::HeapUseAfterFree => {
                let access = report.access.as_ref();
                write!(f, "{} of ", access.map_or("ACCESS", direction))?;
                match access.and_then(|access| access.size) {
                    Some(size) => write!(f, "size {size}")?,
                    None => write!(f, "unknown size")?,
                }
                let address = Address(report.address.unwrap_or_default());
                writeln!(f, " at {address} {}", Name(report.thread))?;
            }
            Kind::DoubleFree | Kind::BadFree | Kind::BadMallocUsableSize => {}
        }
        if let Some(call) = &report.system_call {
            writeln!(
                f,
                "in system call {}, argument {} ({})",
                call.name, call.argument, call.argument_name
            )?;
        }
        Ok(())
    }

    fn signal(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.report;
        let pid = report.pid;
        if report.pc < ZERO_PAGE {
            writeln!(f, "=={pid}==Hint: pc points to the zero page.")?;
        }
        let direction = report.access.as_ref().map_or("UNKNOWN", direction);
        writeln!(
            f,
            "=={pid}==The signal is caused by a {direction} memory access."
        )?;
        match report.address {
            Some(address) if address < ZERO_PAGE => {
                writeln!(f, "=={pid}==Hint: address points to the zero page.")
            }
            Some(_) => Ok(()),
            None => writeln!(
                f,
                "=={pid}==Hint: this fault was caused by a dereference of a high value address \
                 (see register values below).  Disassemble the provided pc to learn which \
                 register was used."
            ),
        }
    }

    fn object(&self, object: &HeapObject, f: &mut Formatter<'_>) -> fmt::Result {
        let stacks = &self.report.stacks;
        let relation = match object.relation {
            Relation::Inside => "inside of",
            Relation::Before => "before",
            Relation::After => "after",
        };
        writeln!(
            f,
            "{} is located {} bytes {relation} {}-byte region [{},{})",
            Address(self.report.address.unwrap_or_default()),
            object.offset,
            object.size,
            Address(object.start),
            Address(object.end())
        )?;
        if let Some(thread) = object.free_thread {
            writeln!(f, "freed by {} here:", Name(thread))?;
            stack(&stacks.free, f)?;
            write!(f, "previously ")?;
        }
        writeln!(f, "allocated by {} here:", Name(object.alloc_thread))?;
        stack(&stacks.alloc, f)
    }

    fn registers(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "=={}==Register values:", self.report.pid)?;
        for line in self.report.registers.general().chunks(4) {
            for (name, value) in line {
                write!(f, "{name:>3} = {value:#018x}  ")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn summary(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { report, brand, .. } = *self;
        write!(f, "SUMMARY: {brand}: {}", report.kind.name())?;
        if let Some(frame) = report.culprit() {
            Place(frame).fmt(f)?;
            if let Some(function) = &frame.function {
                write!(f, " in {function}")?;
            }
        }
        writeln!(f)
    }
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { report, brand, .. } = *self;
        if report.kind == Kind::Segv {
            writeln!(f, "{brand}:DEADLYSIGNAL")?;
        }
        writeln!(f, "{RULE}")?;
        self.headline(f)?;
        self.access(f)?;
        stack(&report.stacks.access, f)?;
        match (&report.object, report.kind) {
            (Some(object), _) => self.object(object, f)?,
            (None, Kind::Segv) => {}
            (None, _) => {
                let address = Address(report.address.unwrap_or_default());
                writeln!(f, "Address {address} is a wild pointer.")?;
            }
        }
        if report.kind == Kind::Segv {
            self.registers(f)?;
            writeln!(f, "{brand} can not provide additional info.")?;
        }
        self.summary(f)?;
        if self.aborting {
            writeln!(f, "=={}==ABORTING", report.pid)?;
        }
        Ok(())
    }
}

/// AddressSanitizer knows two directions; running code is a way of reading it.
const fn direction(access: &Access) -> &'static str {
    match access.kind {
        AccessKind::Read | AccessKind::Execute => "READ",
        AccessKind::Write => "WRITE",
    }
}

/// The frames and an empty line.
fn stack(frames: &[Frame], f: &mut Formatter<'_>) -> fmt::Result {
    if frames.is_empty() {
        writeln!(f, "    <empty stack>")?;
    }
    for (number, frame) in frames.iter().enumerate() {
        write!(f, "    #{number} {}", Address(frame.pc))?;
        if let Some(function) = &frame.function {
            write!(f, " in {function}")?;
        }
        writeln!(f, "{}", Place(frame))?;
    }
    writeln!(f)
}

/// Where a frame is, with a space before: source line if known, else module and offset.
struct Place<'a>(&'a Frame);

impl Display for Place<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let frame = self.0;
        match (&frame.file, &frame.module, frame.offset) {
            (Some(file), _, _) => {
                write!(f, " {file}")?;
                if let Some(line) = frame.line {
                    write!(f, ":{line}")?;
                    if let Some(column) = frame.column {
                        write!(f, ":{column}")?;
                    }
                }
                Ok(())
            }
            (None, Some(module), Some(offset)) => write!(f, " ({module}+{offset:#x})"),
            _ => Ok(()),
        }
    }
}

/// An address as AddressSanitizer prints it.
struct Address(u64);

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:#014x}", self.0)
    }
}

/// `thread T0`
struct Name(Thread);

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.number {
            Some(number) => write!(f, "thread T{number}"),
            None => write!(f, "unknown thread"),
        }
    }
}

/// `T0`
struct Short(Thread);

impl Display for Short {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.number {
            Some(number) => write!(f, "T{number}"),
            None => write!(f, "T?"),
        }
    }
}
