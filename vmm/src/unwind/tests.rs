//! Walks with built tables over stacks of real programs, and builds from damaged files.

use std::path::{Path, PathBuf};
use std::process::Command;

use dangless_core::unwind::{Bounds, Position, Rule, Table, Walker};
use iced_x86::{Decoder, DecoderOptions};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol};
use proptest::prelude::*;

use super::{build, direct};

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
fn single_rules_are_those_of_the_table() {
    let directory = tempfile::tempdir().expect("a directory");
    for flags in [&["-O2", "-static"][..], &["-O2", "-static-pie", "-fPIE"]] {
        let program = compile(directory.path(), "gcc", "chain.c", flags);
        let elf = std::fs::read(&program).expect("readable");
        let built = build(&elf, 0x1000_0000).expect("builds");
        let rules = direct::Rules::open(&program, 0x1000_0000).expect("has .eh_frame");
        let file = object::File::parse(&*elf).expect("an ELF file");
        let text = file.section_by_name(".text").expect("text");
        let (mut known, mut unknown) = (0, 0);
        for address in (text.address()..text.address() + text.size()).step_by(7) {
            let address = address + 0x1000_0000;
            match rules.lookup(address) {
                Some(rule) => {
                    assert_eq!(rule, built.view().lookup(address), "{address:#x}");
                    known += 1;
                }
                None => unknown += 1,
            }
        }
        assert!(known > 9 * unknown, "{known} known, {unknown} not");
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

/// The ELF file `program` after `objcopy` with `options`.
fn copied(program: &Path, options: &[&str]) -> Vec<u8> {
    let copy = program.with_extension("copy");
    let status = Command::new("objcopy")
        .args(options)
        .arg(program)
        .arg(&copy)
        .status()
        .unwrap_or_else(|error| panic!("objcopy: {error}"));
    assert!(status.success());
    std::fs::read(copy).expect("readable")
}

#[test]
fn instructions_tell_what_unwind_information_tells() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = compile(directory.path(), "gcc", "chain.c", &["-O2", "-static"]);
    let elf = std::fs::read(&program).expect("readable");
    let bare = copied(&program, &["--remove-section", ".eh_frame"]);
    let told = build(&elf, 0).expect("builds");
    let inferred = build(&bare, 0).expect("builds");
    let file = object::File::parse(&*elf).expect("an ELF file");
    let text = file.section_by_name(".text").expect("text");
    let code = text.data().expect("code");
    let (mut agreed, mut differed, mut unknown) = (0, 0, 0);
    for instruction in &mut Decoder::with_ip(64, code, text.address(), DecoderOptions::NONE) {
        let told = told.view().lookup(instruction.ip());
        let inferred = inferred.view().lookup(instruction.ip());
        match (told, inferred) {
            (Rule::Unknown | Rule::End | Rule::Signal, _) => {}
            (_, Rule::Unknown) => unknown += 1,
            // After a frame pointer is popped its copy below the stack pointer is good as well.
            (
                Rule::Stack { cfa, saved },
                Rule::Stack {
                    cfa: ours,
                    saved: 0,
                },
            ) if saved != 0 => {
                *if cfa == ours {
                    &mut agreed
                } else {
                    &mut differed
                } += 1;
            }
            // Both registers lead to the same CFA, which the saved frame pointer's place shows.
            (Rule::Frame { saved, .. }, Rule::Stack { saved: ours, .. })
                if saved == ours || ours == 0 =>
            {
                agreed += 1;
            }
            (told, inferred) if told == inferred => agreed += 1,
            _ => differed += 1,
        }
    }
    println!("agreed {agreed}, differed {differed}, unknown {unknown}");
    assert!(differed * 400 < agreed, "{differed} of {agreed}");
    assert!(unknown * 20 < agreed, "{unknown} of {agreed}");
}

#[test]
fn faults_in_a_library_without_unwind_information_lead_to_the_caller() {
    let directory = tempfile::tempdir().expect("a directory");
    let flags = ["-O2", "-static", "-fno-builtin"];
    let program = compile(directory.path(), "musl-gcc", "fault.c", &flags);
    let elf = std::fs::read(&program).expect("readable");
    let file = object::File::parse(&*elf).expect("an ELF file");
    let mut names: Vec<(u64, String)> = file
        .symbols()
        .filter(|symbol| symbol.is_definition() && symbol.kind() == object::SymbolKind::Text)
        .filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?.to_owned())))
        .collect();
    names.sort();
    let table = build(&elf, 0).expect("builds");
    for (scenario, expected) in [
        ("sort", &["strlen", "compare", "sorts", "main"][..]),
        ("copy", &["memcpy", "copies", "main"]),
    ] {
        let output = Command::new(&program).arg(scenario).output().expect("runs");
        assert!(output.status.success(), "{scenario}: {:?}", output.status);
        let words: Vec<u64> = output
            .stdout
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
            .collect();
        let [pc, sp, bp, high] = words[..4] else {
            panic!("short header")
        };
        let stack = &words[4..];
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
        let walked: Vec<&str> = Walker::new(table.view(), read, bounds, start, 64)
            .map(|caller| {
                let inside = if caller.exact {
                    caller.pc
                } else {
                    caller.pc - 1
                };
                let after = names.partition_point(|(start, _)| *start <= inside);
                names[after - 1].1.as_str()
            })
            .collect();
        let mut left = walked.iter();
        for name in expected {
            assert!(left.any(|walked| walked == name), "no {name} in {walked:?}");
        }
    }
}

#[test]
fn files_that_tell_nothing_give_empty_tables() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = compile(
        directory.path(),
        "gcc",
        "tiny.c",
        &["-O2", "-static", "-nostdlib"],
    );
    let elf = copied(&program, &["--remove-section", ".eh_frame", "--strip-all"]);
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
