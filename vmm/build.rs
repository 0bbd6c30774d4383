//! Builds the guest runtime and turns it into data for the VMM.
//!
//! The runtime is compiled for the host target, freestanding, as a static-pie; its relative
//! relocations are applied here for the one address at which it will run. The result is a Rust
//! source: the loadable segments as bytes, and the addresses of the entry points.

use object::elf::{PF_W, PF_X, PT_LOAD, R_X86_64_RELATIVE};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Object, ObjectSymbol, RelocationFlags};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// As `dangless_core::abi::layout::RUNTIME_IMAGE`; the VMM checks that both agree.
const BASE: u64 = 96 << 40;

fn main() {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("set by cargo"));
    let workspace = manifest.parent().expect("vmm lies in the workspace");
    for watched in [
        "guest-runtime",
        "dangless-core/src",
        "dangless-core/Cargo.toml",
        "Cargo.toml",
    ] {
        println!(
            "cargo:rerun-if-changed={}",
            workspace.join(watched).display()
        );
    }
    let image = build_runtime(workspace, &out.join("runtime"));
    let data = std::fs::read(&image).expect("the runtime was just built");
    std::fs::write(out.join("runtime.rs"), generate(&data, &out)).expect("OUT_DIR is writable");
}

fn build_runtime(workspace: &Path, target: &Path) -> PathBuf {
    let cargo = std::env::var_os("CARGO").expect("set by cargo");
    let flags = [
        "-Crelocation-model=pie",
        "-Ctarget-feature=+crt-static",
        "-Clink-args=-nostartfiles -nostdlib -Wl,-e,upcall_entry -Wl,--build-id=none -Wl,-z,noseparate-code",
        "-Cforce-frame-pointers=yes",
    ];
    let status = Command::new(cargo)
        .current_dir(workspace)
        .args([
            "build",
            "--package",
            "dangless-guest-runtime",
            "--profile",
            "runtime",
        ])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .arg("--target-dir")
        .arg(target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS")
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the guest runtime does not build");
    target.join("x86_64-unknown-linux-gnu/runtime/dangless-guest-runtime")
}

fn generate(data: &[u8], out: &Path) -> String {
    let header = object::elf::FileHeader64::<object::Endianness>::parse(data).expect("an ELF file");
    let endian = header.endian().expect("a known byte order");
    let file = object::File::parse(data).expect("an ELF file");
    let mut text = String::from(
        "/// The loadable segments of the runtime.\npub const SEGMENTS: &[Segment] = &[\n",
    );
    for (index, program) in header
        .program_headers(endian, data)
        .expect("headers")
        .iter()
        .enumerate()
    {
        if program.p_type(endian) != PT_LOAD {
            continue;
        }
        let start = program.p_vaddr(endian);
        let mut bytes = program.data(endian, data).expect("segment data").to_vec();
        relocate(&file, start, &mut bytes);
        let name = out.join(format!("segment{index}.bin"));
        std::fs::write(&name, &bytes).expect("OUT_DIR is writable");
        let flags = program.p_flags(endian).0;
        writeln!(
            text,
            "    Segment {{ address: {:#x}, bytes: include_bytes!({name:?}), size: {:#x}, write: {}, execute: {} }},",
            BASE + start,
            program.p_memsz(endian),
            flags & PF_W.0 != 0,
            flags & PF_X.0 != 0,
        )
        .expect("writing to a string");
    }
    text.push_str("];\n");
    for symbol in file.symbols().filter(|s| s.is_definition()) {
        let Ok(name) = symbol.name() else { continue };
        if name.starts_with("dangless_") || name.ends_with("_entry") || name == "exception_entries"
        {
            writeln!(
                text,
                "/// Address of the runtime's `{name}`.\npub const {}: u64 = {:#x};",
                name.to_uppercase(),
                BASE + symbol.address()
            )
            .expect("writing to a string");
        }
    }
    text
}

/// Applies the relocations that fall into the segment at `start`.
fn relocate(file: &object::File<'_>, start: u64, bytes: &mut [u8]) {
    for (at, relocation) in file.dynamic_relocations().into_iter().flatten() {
        let RelocationFlags::Elf { r_type } = relocation.flags() else {
            panic!("not an ELF relocation");
        };
        assert_eq!(
            r_type, R_X86_64_RELATIVE,
            "the runtime needs a relocation of another kind"
        );
        let value = BASE.wrapping_add_signed(relocation.addend());
        let Some(offset) = at.checked_sub(start).map(|o| o as usize) else {
            continue;
        };
        if let Some(word) = bytes.get_mut(offset..offset + 8) {
            word.copy_from_slice(&value.to_le_bytes());
        }
    }
}
