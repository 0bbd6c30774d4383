//! Walks with built tables over stacks of real programs, and builds from damaged files.

use std::path::{Path, PathBuf};
use std::process::Command;

use dangless_core::unwind::{Bounds, Position, Rule, Table, Walker};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol};
use proptest::prelude::*;

use super::build;

fn compile(directory: &Path, compiler: &str, source: &str, flags: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/unwind/testdata")
        .join(source);
    let program = directory.join("program");
    let status = Command::new(compiler)
        .args(["-g", "-w", "-o"])
        .arg(&program)
        .arg(&source)
        .args(flags)
        .status()
        .unwrap_or_else(|error| panic!("{compiler}: {error}"));
    assert!(status.success(), "{compiler} {flags:?}");
    program
}

/// Runs the chain program and holds our walk against its `backtrace()`.
fn check_chain(program: &Path, scenario: &str) {
    let output = Command::new(program).arg(scenario).output().expect("runs");
    assert!(output.status.success(), "{scenario}: {:?}", output.status);
    let words: Vec<u64> = output
        .stdout
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
        .collect();
    let [pc, sp, bp, high, image, count] = words[..6] else {
        panic!("short header")
    };
    let (expected, stack) = words[6..].split_at(count as usize);
    // backtrace() ends with the zero that it found above the outermost frame of a thread.
    let expected: Vec<u64> = expected.iter().copied().filter(|&pc| pc != 0).collect();

    let elf = std::fs::read(program).expect("readable");
    let first = object::File::parse(&*elf)
        .expect("an ELF file")
        .segments()
        .map(|segment| segment.address())
        .min()
        .expect("segments");
    let table = build(&elf, image - first).expect("builds");
    assert_eq!(table.skipped(), 0);
    let read = |at: u64| {
        let index = usize::try_from(at.checked_sub(sp)? / 8).ok()?;
        stack.get(index).copied()
    };
    let start = Position {
        pc,
        sp,
        bp,
        exact: true,
    };
    let bounds = Bounds { low: sp, high };
    let walked: Vec<u64> = Walker::new(table.view(), read, bounds, start, 64)
        .map(|caller| caller.pc)
        .collect();
    assert_eq!(
        format!("{walked:x?}"),
        format!("{expected:x?}"),
        "{scenario}"
    );
    assert!(walked.len() >= 10);
}

#[test]
fn walks_agree_with_backtrace() {
    for flags in [
        &["-O2", "-static"][..],
        &["-O2", "-static-pie", "-fPIE"],
        &["-O0", "-static"],
        &["-O3", "-static", "-fno-omit-frame-pointer"],
        &["-Os", "-static", "-fcf-protection=full"],
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let program = compile(directory.path(), "gcc", "chain.c", flags);
        for scenario in ["called", "signalled", "threaded"] {
            check_chain(&program, scenario);
        }
    }
}

#[test]
fn the_image_is_the_table() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = compile(directory.path(), "gcc", "chain.c", &["-O2", "-static"]);
    let elf = std::fs::read(program).expect("readable");
    let built = build(&elf, 0x1000_0000).expect("builds");
    let image = built.image();
    let read = Table::from_bytes(&image).expect("valid");
    let view = built.view();
    assert_eq!(read.len(), built.len());
    let file = object::File::parse(&*elf).expect("an ELF file");
    let text = file.section_by_name(".text").expect("text");
    for address in (text.address()..text.address() + text.size()).step_by(3) {
        let address = address + 0x1000_0000;
        assert_eq!(read.lookup(address), view.lookup(address));
    }
}

#[test]
fn a_trampoline_without_unwind_information_is_known() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = compile(
        directory.path(),
        "musl-gcc",
        "tiny.c",
        &[
            "-static",
            "-O2",
            "-nostartfiles",
            "-Wl,--undefined=sigaction",
        ],
    );
    let elf = std::fs::read(program).expect("readable");
    let file = object::File::parse(&*elf).expect("an ELF file");
    let trampoline = file.symbol_by_name("__restore_rt").expect("musl has it");
    let table = build(&elf, 0).expect("builds");
    assert_eq!(table.view().lookup(trampoline.address()), Rule::Signal);
    assert_eq!(table.view().lookup(trampoline.address() - 1), Rule::Signal);
}

#[test]
fn files_without_unwind_information_give_empty_tables() {
    let directory = tempfile::tempdir().expect("a directory");
    let flags = [
        "-O2",
        "-static",
        "-nostdlib",
        "-fno-asynchronous-unwind-tables",
    ];
    let program = compile(directory.path(), "gcc", "tiny.c", &flags);
    let elf = std::fs::read(program).expect("readable");
    let table = build(&elf, 0).expect("builds");
    assert!(table.is_empty());
    assert!(Table::from_bytes(&table.image()).expect("valid").is_empty());
    assert!(build(b"#!/bin/sh\n", 0).is_err());
    assert!(build(b"", 0).is_err());
}

#[test]
fn damaged_files_never_panic() {
    let directory = tempfile::tempdir().expect("a directory");
    let flags = ["-O2", "-static", "-nostdlib"];
    let program = compile(directory.path(), "gcc", "tiny.c", &flags);
    let elf = std::fs::read(program).expect("readable");
    let (at, length) = object::File::parse(&*elf)
        .expect("an ELF file")
        .section_by_name(".eh_frame")
        .and_then(|section| section.file_range())
        .expect("unwind information");
    let (at, end) = (at as usize, (at + length) as usize);
    let damage = prop::collection::vec(
        (prop_oneof![at..end, at..end, 0..elf.len()], any::<u8>()),
        1..12,
    );
    let config = ProptestConfig {
        cases: 3_000,
        failure_persistence: None,
        ..Default::default()
    };
    proptest!(config, |(damage in damage, bias in any::<u64>())| {
        let mut bad = elf.clone();
        for (at, byte) in damage {
            bad[at] = byte;
        }
        if let Ok(table) = build(&bad, bias) {
            let image = table.image();
            let read = Table::from_bytes(&image).expect("valid");
            prop_assert_eq!(read.len(), table.len());
            for offset in 0..64 {
                std::hint::black_box(read.lookup(bias.wrapping_add(0x40_1000).wrapping_add(offset)));
            }
        }
    });
}
