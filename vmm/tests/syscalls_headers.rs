//! Holds the table of system calls against the kernel's own declarations: the number of arguments,
//! and for each whether it is a pointer and how wide it is.

use dangless_vmm::syscalls::table::all;
use dangless_vmm::syscalls::table::entry::{Entry, Kind};
use std::collections::HashMap;
use std::path::PathBuf;

/// The kernel's name of the function behind a call, where it is not the call's.
const RENAMED: &[(&str, &str)] = &[
    ("stat", "newstat"),
    ("fstat", "newfstat"),
    ("lstat", "newlstat"),
    ("uname", "newuname"),
    ("umount2", "umount"),
    ("sendfile", "sendfile64"),
];

/// Calls that the header does not declare, and why.
const UNDECLARED: &[(&str, &str)] = &[
    ("mmap", "declared by each architecture"),
    ("arch_prctl", "x86 only"),
    ("iopl", "x86 only"),
    ("modify_ldt", "x86 only"),
    ("rt_sigreturn", "declared by each architecture"),
    ("_sysctl", "removed from Linux"),
    ("lookup_dcookie", "removed from Linux"),
];

/// Arguments that differ from the declaration on purpose: call, place from 0, why.
const EXCEPTED: &[(&str, usize, &str)] = &[
    ("capget", 0, "a pointer behind a typedef"),
    ("capget", 1, "a pointer behind a typedef"),
    ("capset", 0, "a pointer behind a typedef"),
    ("capset", 1, "a pointer behind a typedef"),
];

/// Declarations of several architectures: the number of arguments says which is x86-64's.
const CHOSEN: &[(&str, usize)] = &[("fanotify_mark", 5)];

#[derive(Clone, Debug)]
struct Declared {
    types: Vec<String>,
}

fn header() -> String {
    let sources = PathBuf::from("/usr/src");
    let entries = std::fs::read_dir(&sources).expect("/usr/src can be read");
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("include/linux/syscalls.h"))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    let path = found.pop().expect(
        "no include/linux/syscalls.h under /usr/src: install the kernel's headers \
         (`apt-get install linux-headers-amd64` on Debian, `linux-headers-generic` on Ubuntu)",
    );
    std::fs::read_to_string(path).expect("the header can be read")
}

/// The header without comments and preprocessor lines.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("/*") {
        plain.push_str(&rest[..start]);
        rest = rest[start..]
            .split_once("*/")
            .map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect::<Vec<_>>()
        .join(" ")
}

fn declarations(text: &str) -> HashMap<String, Vec<Declared>> {
    let mut found: HashMap<String, Vec<Declared>> = HashMap::new();
    for declaration in plain(text).split("asmlinkage long sys_").skip(1) {
        let Some((name, rest)) = declaration.split_once('(') else {
            continue;
        };
        let Some((arguments, _)) = rest.split_once(");") else {
            continue;
        };
        let types = arguments
            .split(',')
            .map(|argument| argument.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|argument| !argument.is_empty() && argument != "void")
            .collect();
        found
            .entry(name.trim().to_owned())
            .or_default()
            .push(Declared { types });
    }
    found
}

fn declared(entry: &Entry, header: &HashMap<String, Vec<Declared>>) -> Option<Declared> {
    let name = RENAMED
        .iter()
        .find(|(ours, _)| *ours == entry.name)
        .map_or(entry.name, |pair| pair.1);
    let all = header.get(name)?;
    let chosen = CHOSEN.iter().find(|(ours, _)| *ours == entry.name);
    let wanted = match chosen {
        Some((_, count)) => all.iter().find(|declared| declared.types.len() == *count),
        // `clone` has one declaration for each order of arguments; on x86-64 the thread pointer is
        // the last.
        None if entry.name == "clone" => all
            .iter()
            .find(|d| d.types.len() == 5 && d.types[3].contains('*') && !d.types[4].contains('*')),
        None => all.first(),
    };
    wanted.cloned()
}

fn is_wide(declared: &str) -> bool {
    ["long", "size_t", "loff_t", "off_t", "u64", "aio_context_t"]
        .iter()
        .any(|wide| {
            declared
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == *wide)
        })
}

#[test]
fn the_table_agrees_with_the_kernels_declarations() {
    let header = declarations(&header());
    assert!(
        header.len() > 300,
        "only {} declarations understood",
        header.len()
    );
    let mut wrong = Vec::new();
    let mut compared = 0;
    for entry in all() {
        let excepted = UNDECLARED.iter().any(|(name, _)| *name == entry.name);
        let Some(declared) = declared(entry, &header) else {
            if !excepted {
                wrong.push(format!("{}: not declared", entry.name));
            }
            continue;
        };
        if excepted {
            continue;
        }
        compared += 1;
        if declared.types.len() != entry.arguments.len() {
            wrong.push(format!(
                "{}: the kernel has {:?}",
                entry.name, declared.types
            ));
            continue;
        }
        for (place, (argument, ctype)) in entry.arguments.iter().zip(&declared.types).enumerate() {
            if EXCEPTED
                .iter()
                .any(|(name, index, _)| *name == entry.name && *index == place)
            {
                continue;
            }
            if argument.kind.is_pointer() != ctype.contains('*') {
                wrong.push(format!(
                    "{} argument {}: the kernel has `{ctype}`",
                    entry.name,
                    place + 1
                ));
            } else if !ctype.contains('*') && !is_descriptor(&argument.kind) {
                let narrow = argument.kind.is_narrow();
                if narrow == is_wide(ctype) {
                    let width = if narrow { 32 } else { 64 };
                    wrong.push(format!(
                        "{} argument {} has {width} bits; the kernel has `{ctype}`",
                        entry.name,
                        place + 1
                    ));
                }
            }
        }
    }
    assert!(compared > 280, "only {compared} calls compared");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The kernel looks at 32 bits of a descriptor whatever the declaration says.
fn is_descriptor(kind: &Kind) -> bool {
    matches!(kind, Kind::Descriptor | Kind::Directory)
}

#[test]
fn exceptions_are_needed() {
    let header = declarations(&header());
    for (name, _) in UNDECLARED {
        let entry = all()
            .find(|entry| entry.name == *name)
            .expect("an exception names an entry");
        assert!(declared(entry, &header).is_none(), "{name} is declared");
    }
}
