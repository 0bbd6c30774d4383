//! Reports as text and JSON, against fixed text and against AddressSanitizer's own.

use std::process::Command;

use dangless_core::abi::error::{function, kind, ErrorRecord, Frames};
use dangless_core::unwind::Caller;
use proptest::prelude::*;

use super::*;
use crate::symbols::{Frame, Resolver, Symbols};

const OBJECT: u64 = 0x1000_0000_0010;

fn frames(addresses: &[u64]) -> Frames {
    let mut frames = Frames {
        length: addresses.len() as u64,
        ..Frames::default()
    };
    frames.address[..addresses.len()].copy_from_slice(addresses);
    frames
}

fn record(kind: u64, address: u64) -> ErrorRecord {
    ErrorRecord {
        kind,
        function: if kind == kind::FREED {
            function::NONE
        } else {
            function::FREE
        },
        address,
        object: OBJECT,
        size: 40,
        alloc_thread: 4242,
        free_thread: 4243,
        access: frames(&[0x40_0306, 0x40_0400]),
        alloc: frames(&[0x40_0106]),
        free: frames(&[0x40_0206, 0x40_0400]),
    }
}

fn scene(access: Option<Access>, address: u64) -> Scene<'static> {
    Scene {
        pid: 4242,
        threads: &[4242, 4243],
        thread: 4242,
        registers: Registers {
            rip: 0x40_0300,
            rbp: 0x7fff_f010,
            rsp: 0x7fff_f000,
            rax: OBJECT,
            ..Registers::default()
        },
        access,
        address: Some(address),
        system_call: None,
        stack: &[],
    }
}

fn read_of_four() -> Option<Access> {
    Some(Access {
        kind: AccessKind::Read,
        size: Some(4),
    })
}

const WALK: &[Caller] = &[
    Caller {
        pc: 0x40_0300,
        exact: true,
    },
    Caller {
        pc: 0x40_0400,
        exact: false,
    },
];

fn with_symbols<T>(check: impl FnOnce(&Resolver<'_>) -> T) -> T {
    check(&Symbols::new().resolver())
}

fn use_after_free() -> Report {
    let mut scene = scene(read_of_four(), OBJECT + 4);
    scene.stack = WALK;
    let mut report =
        with_symbols(|symbols| Report::new(&record(kind::FREED, OBJECT + 4), &scene, symbols));
    // Names, as a resolver with debug information would have given them.
    report.stacks.access[0] = Frame {
        pc: 0x40_0300,
        function: Some("use".to_owned()),
        module: Some("/bin/a".to_owned()),
        offset: Some(0x300),
        ..Frame::default()
    };
    report.stacks.access[1] = Frame {
        pc: 0x40_03ff,
        function: Some("main".to_owned()),
        file: Some("/src/a.c".to_owned()),
        line: Some(12),
        column: Some(5),
        module: Some("/bin/a".to_owned()),
        offset: Some(0x3ff),
        inlined: false,
    };
    report
}

#[test]
fn a_use_after_free_reads_like_address_sanitizer() {
    let text = Text::new(&use_after_free()).to_string();
    let expected = "\
=================================================================
==4242==ERROR: DanglessVMM: heap-use-after-free on address 0x100000000014 at pc 0x000000400300 bp 0x00007ffff010 sp 0x00007ffff000
READ of size 4 at 0x100000000014 thread T0
    #0 0x000000400300 in use (/bin/a+0x300)
    #1 0x0000004003ff in main /src/a.c:12:5

0x100000000014 is located 4 bytes inside of 40-byte region [0x100000000010,0x100000000038)
freed by thread T1 here:
    #0 0x000000000000 in <allocator>
    #1 0x000000400205
    #2 0x0000004003ff

previously allocated by thread T0 here:
    #0 0x000000000000 in <allocator>
    #1 0x000000400105

SUMMARY: DanglessVMM: heap-use-after-free /src/a.c:12:5 in main
==4242==ABORTING
";
    assert_eq!(text, expected);
}

#[test]
fn brand_and_last_line_can_be_chosen() {
    let report = use_after_free();
    let text = Text {
        report: &report,
        brand: "AddressSanitizer",
        aborting: false,
    }
    .to_string();
    assert!(text.contains("==4242==ERROR: AddressSanitizer: heap-use-after-free on address"));
    assert!(
        text.ends_with("SUMMARY: AddressSanitizer: heap-use-after-free /src/a.c:12:5 in main\n")
    );
}

#[test]
fn system_calls_are_named_after_the_access() {
    let mut report = use_after_free();
    report.access = Some(Access {
        kind: AccessKind::Read,
        size: None,
    });
    report.system_call = Some(SystemCall {
        name: "write".to_owned(),
        argument: 2,
        argument_name: "buf".to_owned(),
    });
    let text = Text::new(&report).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[2], "READ of unknown size at 0x100000000014 thread T0");
    assert_eq!(lines[3], "in system call write, argument 2 (buf)");
    assert!(lines[4].starts_with("    #0 "));
}

#[test]
fn frees_show_the_stack_that_the_runtime_recorded() {
    let scene = scene(None, OBJECT);
    let report =
        with_symbols(|symbols| Report::new(&record(kind::DOUBLE_FREE, OBJECT), &scene, symbols));
    let pcs: Vec<u64> = report.stacks.access.iter().map(|frame| frame.pc).collect();
    assert_eq!(pcs, [0, 0x40_0305, 0x40_03ff]);
    let text = Text::new(&report).to_string();
    assert!(text
        .contains("ERROR: DanglessVMM: attempting double-free on 0x100000000010 in thread T0:\n"));
    assert!(text.contains("\nSUMMARY: DanglessVMM: double-free in <allocator>\n"));

    let report = with_symbols(|symbols| {
        Report::new(&record(kind::INVALID_FREE, OBJECT + 8), &scene, symbols)
    });
    assert_eq!(report.kind, Kind::BadFree);
    assert!(report.stacks.free.is_empty());

    let mut usable = record(kind::INVALID_FREE, OBJECT + 8);
    usable.function = function::USABLE_SIZE;
    let report = with_symbols(|symbols| Report::new(&usable, &scene, symbols));
    assert_eq!(report.kind, Kind::BadMallocUsableSize);
}

#[test]
fn addresses_of_no_object_are_wild() {
    let scene = scene(None, 0x7fff_0000);
    let mut record = record(kind::INVALID_FREE, 0x7fff_0000);
    record.object = 0;
    let report = with_symbols(|symbols| Report::new(&record, &scene, symbols));
    assert_eq!(report.object, None);
    let text = Text::new(&report).to_string();
    assert!(text.contains("Address 0x00007fff0000 is a wild pointer.\n"));
    assert!(!text.contains("allocated by"));
}

#[test]
fn relations_count_from_the_nearer_end() {
    let seen = |address| {
        let scene = scene(None, address);
        with_symbols(|symbols| Report::new(&record(kind::INVALID_FREE, address), &scene, symbols))
            .object
            .map(|object| (object.relation, object.offset))
    };
    assert_eq!(seen(OBJECT - 3), Some((Relation::Before, 3)));
    assert_eq!(seen(OBJECT), Some((Relation::Inside, 0)));
    assert_eq!(seen(OBJECT + 39), Some((Relation::Inside, 39)));
    assert_eq!(seen(OBJECT + 40), Some((Relation::After, 0)));
    assert_eq!(seen(OBJECT + 44), Some((Relation::After, 4)));
}

#[test]
fn a_fault_away_from_the_heap_is_a_segv() {
    let mut scene = scene(read_of_four(), 0x8);
    scene.stack = WALK;
    let report = with_symbols(|symbols| Report::segv(&scene, symbols));
    let text = Text::new(&report).to_string();
    let expected = "\
DanglessVMM:DEADLYSIGNAL
=================================================================
==4242==ERROR: DanglessVMM: SEGV on unknown address 0x000000000008 (pc 0x000000400300 bp 0x00007ffff010 sp 0x00007ffff000 T0)
==4242==The signal is caused by a READ memory access.
==4242==Hint: address points to the zero page.
    #0 0x000000400300
    #1 0x0000004003ff

==4242==Register values:
rax = 0x0000100000000010  rbx = 0x0000000000000000  rcx = 0x0000000000000000  rdx = 0x0000000000000000  
rdi = 0x0000000000000000  rsi = 0x0000000000000000  rbp = 0x000000007ffff010  rsp = 0x000000007ffff000  
 r8 = 0x0000000000000000   r9 = 0x0000000000000000  r10 = 0x0000000000000000  r11 = 0x0000000000000000  
r12 = 0x0000000000000000  r13 = 0x0000000000000000  r14 = 0x0000000000000000  r15 = 0x0000000000000000  
DanglessVMM can not provide additional info.
SUMMARY: DanglessVMM: SEGV
==4242==ABORTING
";
    assert_eq!(text, expected);
    scene.address = None;
    let report = with_symbols(|symbols| Report::segv(&scene, symbols));
    let text = Text::new(&report).to_string();
    assert!(text.contains("SEGV on unknown address (pc 0x000000400300"));
    assert!(text.contains("high value address"));
}

#[test]
fn json_is_one_line_with_stable_fields() {
    let mut output = Vec::new();
    json::write(&use_after_free(), &mut output).expect("a vector takes it");
    let line = String::from_utf8(output).expect("UTF-8");
    assert_eq!(line.matches('\n').count(), 1);
    let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(value["schema"], json::SCHEMA);
    assert_eq!(value["kind"], "heap-use-after-free");
    assert_eq!(value["address"], "0x100000000014");
    assert_eq!(value["access"]["kind"], "read");
    assert_eq!(value["access"]["size"], 4);
    assert_eq!(value["system_call"], serde_json::Value::Null);
    assert_eq!(value["object"]["start"], "0x100000000010");
    assert_eq!(value["object"]["size"], 40);
    assert_eq!(value["object"]["relation"], "inside");
    assert_eq!(value["object"]["free_thread"]["number"], 1);
    assert_eq!(value["registers"]["rip"], "0x400300");
    assert_eq!(value["stacks"]["access"][1]["line"], 12);
    assert_eq!(value["stacks"]["access"][0]["offset"], "0x300");
    assert_eq!(value["stacks"]["free"][1]["pc"], "0x400205");
    for kind in [
        Kind::HeapUseAfterFree,
        Kind::DoubleFree,
        Kind::BadFree,
        Kind::BadMallocUsableSize,
        Kind::Segv,
    ] {
        let name = serde_json::to_value(kind).expect("a name");
        assert_eq!(name, kind.name().to_lowercase());
    }
}

/// The lines of a report without frames, numbers and names, up to where ours ends.
fn skeleton(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with("Shadow bytes") || line.contains("Register values") {
            break;
        }
        if line.starts_with("AddressSanitizer can not") || line.starts_with("SUMMARY") {
            break;
        }
        let line = if line.starts_with("    #") {
            "    #frame".to_owned()
        } else {
            words(line)
        };
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines
}

/// `line` with every number replaced by what kind of number it is.
fn words(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        let hexadecimal = number.starts_with("0x");
        let digits = if hexadecimal { &number[2..] } else { number };
        let end = digits
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(digits.len());
        out += before;
        out += &if hexadecimal {
            format!("<address of {end} digits>")
        } else {
            "<number>".to_owned()
        };
        rest = &digits[end..];
    }
    out + rest
}

#[test]
fn the_layout_is_that_of_address_sanitizer_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("errors");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/testdata/errors.c");
    let status = Command::new("gcc")
        .args(["-g", "-w", "-fsanitize=address", source, "-o"])
        .arg(&program)
        .status()
        .unwrap_or_else(|error| panic!("gcc: {error}"));
    assert!(status.success());
    for (scenario, record_kind, offset, access) in [
        ("read", Some(kind::FREED), 4, Some(AccessKind::Read)),
        ("write", Some(kind::FREED), 3, Some(AccessKind::Write)),
        ("double", Some(kind::DOUBLE_FREE), 0, None),
        ("bad", Some(kind::INVALID_FREE), 8, None),
        ("segv", None, 0x1234_5678, Some(AccessKind::Read)),
        ("zero", None, 8, Some(AccessKind::Write)),
    ] {
        let output = Command::new(&program).arg(scenario).output().expect("runs");
        let theirs = String::from_utf8_lossy(&output.stderr).into_owned();
        let access = access.map(|kind| Access {
            kind,
            size: Some(4),
        });
        let address = record_kind.map_or(offset, |_| OBJECT + offset);
        let mut scene = scene(access, address);
        scene.stack = WALK;
        let report = with_symbols(|symbols| match record_kind {
            Some(kind) => Report::new(&record(kind, address), &scene, symbols),
            None => Report::segv(&scene, symbols),
        });
        let ours = Text {
            report: &report,
            brand: "AddressSanitizer",
            aborting: true,
        }
        .to_string();
        assert_eq!(skeleton(&ours), skeleton(&theirs), "{scenario}\n{theirs}");
        let summary = theirs
            .lines()
            .find(|line| line.starts_with("SUMMARY"))
            .expect("a summary");
        let start = format!("SUMMARY: AddressSanitizer: {}", report.kind.name());
        assert!(summary.starts_with(&start), "{summary}");
    }
}

fn any_frames() -> impl Strategy<Value = Frames> {
    (
        prop_oneof![0u64..40, any::<u64>()],
        prop::collection::vec(any::<u64>(), 32),
    )
        .prop_map(|(length, addresses)| Frames {
            length,
            address: addresses.try_into().expect("32 addresses"),
        })
}

prop_compose! {
    fn any_record()(
        kind in prop_oneof![0u64..8, any::<u64>()],
        function in prop_oneof![0u64..5, any::<u64>()],
        address in any::<u64>(),
        object in prop_oneof![Just(0u64), Just(u64::MAX), any::<u64>()],
        size in prop_oneof![Just(0u64), Just(u64::MAX), any::<u64>()],
        alloc_thread in any::<u64>(),
        free_thread in any::<u64>(),
        access in any_frames(),
        alloc in any_frames(),
        free in any_frames(),
    ) -> ErrorRecord {
        ErrorRecord {
            kind, function, address, object, size, alloc_thread, free_thread, access, alloc, free,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_record_makes_a_report_panic_or_grow(
        record in any_record(),
        address in prop::option::of(any::<u64>()),
        rip in any::<u64>(),
        stack in prop::collection::vec((any::<u64>(), any::<bool>()), 0..1000),
    ) {
        let stack: Vec<Caller> = stack.into_iter().map(|(pc, exact)| Caller { pc, exact }).collect();
        let mut scene = scene(read_of_four(), 0);
        scene.address = address;
        scene.registers.rip = rip;
        scene.stack = &stack;
        let report = with_symbols(|symbols| Report::new(&record, &scene, symbols));
        prop_assert!(report.stacks.access.len() <= 256);
        prop_assert!(report.stacks.alloc.len() <= 33);
        let text = Text::new(&report).to_string();
        prop_assert!(text.len() < 64 << 10);
        let mut output = Vec::new();
        json::write(&report, &mut output).expect("a vector takes it");
        prop_assert!(output.len() < 256 << 10);
    }
}
