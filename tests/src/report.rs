//! A memory-error report, read back from a program's standard error.
//!
//! The layout is AddressSanitizer's, so one reader serves both the VMM's reports and those of the
//! oracle that checks the corpus.

/// A report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// `heap-use-after-free`, `double-free`, `bad-free`, ...
    pub kind: String,
    /// `READ` or `WRITE`.
    pub access: Option<String>,
    /// Bytes accessed.
    pub size: Option<u64>,
    /// What follows `in system call`: `write, argument 2 (buf)`.
    pub call: Option<String>,
    /// Offset of the address in the object, and the object's size.
    pub region: Option<(u64, u64)>,
    /// Stack of the error, innermost frame first: each line as printed.
    pub fault: Vec<String>,
    /// Stack of the free.
    pub free: Vec<String>,
    /// Stack of the allocation.
    pub alloc: Vec<String>,
    /// The kind that the summary line names.
    pub summary: Option<String>,
}

/// What the reader is in the middle of.
enum Section {
    Fault,
    Free,
    Alloc,
}

impl Report {
    /// The first report in `text` by the tool with this name, if there is one.
    #[must_use]
    pub fn find(text: &str, tool: &str) -> Option<Self> {
        let title = format!("ERROR: {tool}: ");
        let mut lines = text.lines();
        let first = lines.find_map(|line| Some(line.split_once(&title)?.1))?;
        let mut report = Self {
            kind: kind_of(first),
            ..Self::default()
        };
        let mut section = Section::Fault;
        let summary = format!("SUMMARY: {tool}: ");
        for line in lines {
            let text = line.trim_start();
            if let Some(rest) = line.strip_prefix(&summary) {
                report.summary = rest.split_whitespace().next().map(str::to_owned);
                break;
            } else if text.starts_with('#') {
                match section {
                    Section::Fault => report.fault.push(text.to_owned()),
                    Section::Free => report.free.push(text.to_owned()),
                    Section::Alloc => report.alloc.push(text.to_owned()),
                }
            } else if text.starts_with("freed by thread") {
                section = Section::Free;
            } else if text.contains("allocated by thread") {
                section = Section::Alloc;
            } else if let Some((_, call)) = text.split_once("in system call ") {
                report.call = Some(call.trim_end().to_owned());
            } else if let Some(region) = region_of(text) {
                report.region = Some(region);
            } else if let Some((access, size)) = access_of(text) {
                report.access = Some(access);
                report.size = size;
            }
        }
        Some(report)
    }

    /// Whether any frame of a stack is at `file`, on one of `lines`.
    #[must_use]
    pub fn names(stack: &[String], file: &str, lines: &[u32]) -> bool {
        let mut places = lines.iter().map(|line| format!("{file}:{line}"));
        places.any(|place| stack.iter().any(|frame| at(frame, &place)))
    }
}

/// Whether a frame is at `place`: it stands there whole, a column may follow.
fn at(frame: &str, place: &str) -> bool {
    frame.match_indices(place).any(|(index, _)| {
        let before = frame[..index].chars().next_back();
        let after = frame[index + place.len()..].chars().next();
        matches!(before, Some('/' | ' ')) && matches!(after, None | Some(':' | ' '))
    })
}

/// `heap-use-after-free on address ...`, `attempting double-free on ...`, and so on.
fn kind_of(line: &str) -> String {
    if line.starts_with("attempting free on address which was not malloc()-ed") {
        return "bad-free".to_owned();
    }
    if line.starts_with("attempting to call malloc_usable_size()") {
        return "bad-malloc_usable_size".to_owned();
    }
    let rest = line.strip_prefix("attempting ").unwrap_or(line);
    rest.split([' ', ':']).next().unwrap_or_default().to_owned()
}

/// `READ of size 4 at 0x...`
fn access_of(line: &str) -> Option<(String, Option<u64>)> {
    let mut words = line.split_whitespace();
    let access = words
        .next()
        .filter(|word| ["READ", "WRITE"].contains(word))?;
    let size = match (words.next(), words.next()) {
        (Some("of"), Some("size")) => words.next().and_then(|size| size.parse().ok()),
        _ => None,
    };
    Some((access.to_owned(), size))
}

/// `0x... is located 4 bytes inside of 40-byte region [0x...,0x...)`
fn region_of(line: &str) -> Option<(u64, u64)> {
    let (_, rest) = line.split_once("is located ")?;
    let (offset, rest) = rest.split_once(" bytes inside of ")?;
    let (size, _) = rest.split_once("-byte region")?;
    Some((offset.parse().ok()?, size.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
==7==ERROR: DanglessVMM: heap-use-after-free on address 0x10 at pc 0x1 bp 0x2 sp 0x3
READ of size 4 at 0x10 thread T0
    #0 0x1 in inner /a/b.c:12:3
    #1 0x2 in main /a/b.c:20
0x10 is located 4 bytes inside of 40-byte region [0xc,0x34)
freed by thread T0 here:
    #0 0x1 in main /a/b.c:15
previously allocated by thread T0 here:
    #0 0x1 in main /a/b.c:14
SUMMARY: DanglessVMM: heap-use-after-free /a/b.c:12 in inner
";

    #[test]
    fn reads_a_whole_report() {
        let report = Report::find(TEXT, "DanglessVMM").expect("there is a report");
        assert_eq!(report.kind, "heap-use-after-free");
        assert_eq!(report.access.as_deref(), Some("READ"));
        assert_eq!(report.size, Some(4));
        assert_eq!(report.region, Some((4, 40)));
        assert_eq!(report.summary.as_deref(), Some("heap-use-after-free"));
        assert!(Report::names(&report.fault, "b.c", &[12]));
        assert!(Report::names(&report.fault, "b.c", &[20]));
        assert!(!Report::names(&report.fault, "b.c", &[1, 2, 15]));
        assert!(Report::names(&report.free, "b.c", &[15]));
        assert!(Report::names(&report.alloc, "b.c", &[14]));
    }

    #[test]
    fn names_the_kinds_of_bad_frees() {
        assert_eq!(
            kind_of("attempting double-free on 0x1 in thread T0:"),
            "double-free"
        );
        let bad = "attempting free on address which was not malloc()-ed: 0x1 in thread T0";
        assert_eq!(kind_of(bad), "bad-free");
    }
}
