//! Lookups in a compiled program, with and without debug information, and in damaged files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use object::{Object, ObjectSymbol};
use proptest::prelude::*;

use super::{Frame, Module, Symbols};

const BIAS: u64 = 0x5555_0000_0000;

struct Program {
    directory: tempfile::TempDir,
    elf: Vec<u8>,
}

impl Program {
    fn compile(flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let program = directory.path().join("marks");
        let status = Command::new("g++")
            .args([
                "-O2",
                "-static-pie",
                "-fPIE",
                "-nostdlib",
                "-Wl,--entry=main",
                "-o",
            ])
            .arg(&program)
            .arg(source())
            .args(flags)
            .status()
            .unwrap_or_else(|error| panic!("g++: {error}"));
        assert!(status.success());
        let elf = std::fs::read(program).expect("readable");
        Self { directory, elf }
    }

    fn stripped(&self, option: &str) -> Vec<u8> {
        let program = self.directory.path().join("marks");
        let stripped = self.directory.path().join("stripped");
        let status = Command::new("strip")
            .arg(option)
            .arg("-o")
            .arg(&stripped)
            .arg(program)
            .status()
            .unwrap_or_else(|error| panic!("strip: {error}"));
        assert!(status.success());
        std::fs::read(stripped).expect("readable")
    }

    fn address(&self, symbol: &str) -> u64 {
        object::File::parse(&*self.elf)
            .expect("an ELF file")
            .symbol_by_name(symbol)
            .unwrap_or_else(|| panic!("no {symbol}"))
            .address()
            + BIAS
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/symbols/testdata/marks.cc")
}

fn symbols(elf: Vec<u8>) -> Symbols {
    let mut symbols = Symbols::new();
    symbols.add(Module {
        path: "/bin/marks".to_owned(),
        image: Arc::new(elf),
        debug: Arc::new([]),
        bias: BIAS,
        range: BIAS..BIAS + 0x10_0000,
    });
    symbols
}

fn frame(pc: u64, function: Option<&str>) -> Frame {
    Frame {
        pc,
        function: function.map(str::to_owned),
        module: Some("/bin/marks".to_owned()),
        offset: Some(pc - BIAS),
        ..Frame::default()
    }
}

fn line(pc: u64, function: &str, line: u32, inlined: bool, column: Option<u32>) -> Frame {
    Frame {
        file: Some(source().to_string_lossy().into_owned()),
        line: Some(line),
        column,
        inlined,
        ..frame(pc, Some(function))
    }
}

#[test]
fn debug_information_names_inlined_functions_and_lines() {
    for version in ["-gdwarf-4", "-gdwarf-5", "-gsplit-dwarf"] {
        let program = Program::compile(&["-g", version]);
        let symbols = symbols(program.elf.clone());
        let pc = program.address("mark_inlined");
        let frames = symbols.resolver().resolve(pc);
        if version == "-gsplit-dwarf" {
            // The rest is in another file: the symbol table still knows the function.
            assert_eq!(
                frames[0].function.as_deref(),
                Some("shop::Basket::add(int)")
            );
            continue;
        }
        let expected = [
            line(pc, "shop::Basket::touch()", 11, true, frames[0].column),
            line(pc, "shop::Basket::add(int)", 15, false, frames[1].column),
        ];
        assert_eq!(frames, expected);
        assert!(frames.iter().all(|frame| frame.column.is_some()));
    }
}

#[test]
fn symbol_tables_serve_without_debug_information() {
    let program = Program::compile(&["-g"]);
    let pc = program.address("mark_inlined");
    let symbols = symbols(program.stripped("-g"));
    let found = symbols.resolver().resolve(pc);
    assert_eq!(found, [frame(pc, Some("shop::Basket::add(int)"))]);
}

#[test]
fn stripped_files_leave_module_and_offset() {
    let program = Program::compile(&["-g"]);
    let pc = program.address("mark_inlined");
    let symbols = symbols(program.stripped("-s"));
    assert_eq!(symbols.resolver().resolve(pc), [frame(pc, None)]);
}

#[test]
fn addresses_outside_every_module_are_bare() {
    let symbols = Symbols::new();
    let bare = Frame {
        pc: 0x1234,
        ..Frame::default()
    };
    assert_eq!(symbols.resolver().resolve(0x1234), [bare]);
}

#[test]
fn calls_tell_whom_they_call() {
    let program = Program::compile(&[]);
    let symbols = symbols(program.elf.clone());
    let resolver = symbols.resolver();
    let callee = resolver.callee(program.address("mark_return"));
    assert_eq!(callee, Some(program.address("give_back")));
    let names = resolver.resolve(program.address("give_back"));
    assert_eq!(names[0].function.as_deref(), Some("give_back"));
    assert_eq!(resolver.callee(program.address("mark_indirect")), None);
    assert_eq!(resolver.callee(0), None);
    assert_eq!(resolver.callee(BIAS), None);
}

#[test]
fn damaged_files_never_panic() {
    let program = Program::compile(&["-g"]);
    let pc = program.address("mark_inlined");
    let length = program.elf.len();
    let damage = prop::collection::vec((0..length, any::<u8>()), 1..24);
    let config = ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(damage in damage, cut in 0..length * 4)| {
        let mut elf = program.elf.clone();
        for (at, byte) in damage {
            elf[at] = byte;
        }
        elf.truncate(cut);
        let symbols = symbols(elf);
        let resolver = symbols.resolver();
        for address in pc - 40..pc + 40 {
            prop_assert!(!resolver.resolve(address).is_empty());
            std::hint::black_box(resolver.callee(address));
        }
    });
}
