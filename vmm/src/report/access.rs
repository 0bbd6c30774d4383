//! What an instruction, or a system call, was doing to memory.

use iced_x86::{Decoder, DecoderOptions, InstructionInfoFactory, OpAccess, Register, UsedMemory};
use serde::Serialize;

use super::registers::Registers;

/// Longest instruction of the processor.
const LONGEST_INSTRUCTION: usize = 15;

/// Directions of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessKind {
    /// The memory was read.
    Read,
    /// The memory was written, or read and written.
    Write,
    /// The memory was to be run as code.
    Execute,
}

/// One access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// Direction.
    pub kind: AccessKind,
    /// Bytes, if known; of one element for a string instruction.
    pub size: Option<u64>,
}

impl Access {
    /// The access of direction `kind` to `address` by the instruction whose first bytes are `code`,
    /// with `registers` as they were before it.
    ///
    /// The size is that of the operand which holds `address`; it stays unknown if there is none.
    #[must_use]
    pub fn of_instruction(
        kind: AccessKind,
        address: u64,
        code: &[u8],
        registers: &Registers,
    ) -> Self {
        let (kind, size) = match kind {
            AccessKind::Execute => (kind, None),
            AccessKind::Read | AccessKind::Write => {
                operand(kind, address, code, registers).unwrap_or((kind, None))
            }
        };
        Self { kind, size }
    }
}

/// Where the instruction whose first bytes are `code` reads or writes memory: address, bytes, and
/// whether it writes.
#[must_use]
pub fn operands(code: &[u8], registers: &Registers) -> Vec<(u64, u64, bool)> {
    let code = code.get(..LONGEST_INSTRUCTION).unwrap_or(code);
    let instruction = Decoder::with_ip(64, code, registers.rip, DecoderOptions::NONE).decode();
    if instruction.is_invalid() {
        return Vec::new();
    }
    let mut factory = InstructionInfoFactory::new();
    let found = factory.info(&instruction).used_memory().iter();
    let place = |operand: &UsedMemory| {
        // The operand of a repeated string instruction has no size as a whole.
        let bytes = operand.memory_size().size().max(1) as u64;
        let start = operand.virtual_address(0, |register, _, _| value(register, registers))?;
        Some((start, bytes, writes(operand.access())))
    };
    found.filter_map(place).collect()
}

/// Direction and size of the operand that holds `address`. An operand that is read and written
/// counts as written, whichever of the two the processor reports first (they differ in that).
fn operand(
    kind: AccessKind,
    address: u64,
    code: &[u8],
    registers: &Registers,
) -> Option<(AccessKind, Option<u64>)> {
    let code = code.get(..LONGEST_INSTRUCTION).unwrap_or(code);
    let instruction = Decoder::with_ip(64, code, registers.rip, DecoderOptions::NONE).decode();
    if instruction.is_invalid() {
        return None;
    }
    if instruction.is_string_instruction() {
        // Both operands are of the same element; a repeated one has no size as a whole.
        let size = Some(instruction.memory_size().size() as u64).filter(|&size| size > 0);
        return Some((kind, size));
    }
    let mut factory = InstructionInfoFactory::new();
    let operands = factory.info(&instruction).used_memory();
    let fits = |operand: &&UsedMemory| {
        let bytes = operand.memory_size().size() as u64;
        // The operand's address is taken in 64 bits; gathers and scatters have none of their own.
        let start = operand.virtual_address(0, |register, _, _| value(register, registers));
        start.is_some_and(|start| address.wrapping_sub(start) < bytes)
    };
    let matching = |operand: &&UsedMemory| match kind {
        AccessKind::Write => writes(operand.access()),
        AccessKind::Read | AccessKind::Execute => reads(operand.access()),
    };
    operands.iter().filter(matching).find(fits).map(|operand| {
        let kind = if writes(operand.access()) {
            AccessKind::Write
        } else {
            kind
        };
        (kind, Some(operand.memory_size().size() as u64))
    })
}

const fn reads(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Read | OpAccess::CondRead | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

const fn writes(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

/// What `register` adds to an address; `None` for registers that are not known here.
fn value(register: Register, registers: &Registers) -> Option<u64> {
    let whole = match register.full_register() {
        Register::RAX => registers.rax,
        Register::RBX => registers.rbx,
        Register::RCX => registers.rcx,
        Register::RDX => registers.rdx,
        Register::RDI => registers.rdi,
        Register::RSI => registers.rsi,
        Register::RBP => registers.rbp,
        Register::RSP => registers.rsp,
        Register::R8 => registers.r8,
        Register::R9 => registers.r9,
        Register::R10 => registers.r10,
        Register::R11 => registers.r11,
        Register::R12 => registers.r12,
        Register::R13 => registers.r13,
        Register::R14 => registers.r14,
        Register::R15 => registers.r15,
        Register::FS => registers.fs_base,
        // The other segments start at 0 in 64-bit mode; programs have no GS base of their own.
        Register::CS | Register::DS | Register::ES | Register::SS | Register::GS => 0,
        _ => return None,
    };
    Some(match register.size() {
        4 => whole & 0xffff_ffff,
        _ => whole,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REGISTERS: Registers = Registers {
        rax: 0x1000,
        rbx: 0x2000,
        rcx: 0x40,
        rdx: 0x3000,
        rdi: 0x4000,
        rsi: 0x5000,
        rbp: 0x6000,
        rsp: 0x7000,
        r8: 0x8000,
        r9: 0x9000,
        r10: 0,
        r11: 0,
        r12: 0,
        r13: 0,
        r14: 0,
        r15: 0,
        rip: 0x40_0000,
        rflags: 2,
        fs_base: 0xf000,
    };

    fn size_of(kind: AccessKind, address: u64, code: &[u8]) -> Option<u64> {
        Access::of_instruction(kind, address, code, &REGISTERS).size
    }

    #[test]
    fn operands_give_their_size() {
        use AccessKind::{Execute, Read, Write};
        for (what, kind, address, code, expected) in [
            ("mov (%rax), %ecx", Read, 0x1000, &[0x8b, 0x08][..], Some(4)),
            (
                "mov %rcx, 8(%rax)",
                Write,
                0x1008,
                &[0x48, 0x89, 0x48, 0x08],
                Some(8),
            ),
            (
                "movzbl (%rbx), %eax",
                Read,
                0x2000,
                &[0x0f, 0xb6, 0x03],
                Some(1),
            ),
            (
                "addw $1, (%rdx)",
                Write,
                0x3000,
                &[0x66, 0x83, 0x02, 0x01],
                Some(2),
            ),
            (
                "addw $1, (%rdx)",
                Read,
                0x3000,
                &[0x66, 0x83, 0x02, 0x01],
                Some(2),
            ),
            (
                "mov (%rax,%rcx,4), %eax",
                Read,
                0x1100,
                &[0x8b, 0x04, 0x88],
                Some(4),
            ),
            (
                "vmovdqu (%rdi), %ymm0",
                Read,
                0x401f,
                &[0xc5, 0xfe, 0x6f, 0x07],
                Some(32),
            ),
            (
                "movups %xmm0, (%rdi)",
                Write,
                0x4000,
                &[0x0f, 0x11, 0x07],
                Some(16),
            ),
            ("rep movsb", Read, 0x5000, &[0xf3, 0xa4], Some(1)),
            ("rep movsq", Write, 0x4000, &[0xf3, 0x48, 0xa5], Some(8)),
            ("rep stosd", Write, 0x4000, &[0xf3, 0xab], Some(4)),
            ("repne scasb", Read, 0x4000, &[0xf2, 0xae], Some(1)),
            (
                "mov %fs:0x28, %rax",
                Read,
                0xf028,
                &[0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0],
                Some(8),
            ),
            (
                "mov 16(%rip), %eax",
                Read,
                0x40_0016,
                &[0x8b, 0x05, 0x10, 0, 0, 0],
                Some(4),
            ),
            ("call *(%rax)", Read, 0x1000, &[0xff, 0x10], Some(8)),
            ("push (%rax)", Read, 0x1000, &[0xff, 0x30], Some(8)),
            (
                "lock cmpxchg %ecx, (%rdx)",
                Write,
                0x3000,
                &[0xf0, 0x0f, 0xb1, 0x0a],
                Some(4),
            ),
            (
                "mov (%rax), %ecx, elsewhere",
                Read,
                0x1004,
                &[0x8b, 0x08],
                None,
            ),
            (
                "mov (%rax), %ecx, other way",
                Write,
                0x1000,
                &[0x8b, 0x08],
                None,
            ),
            ("ret, into nothing", Execute, 0x40_0000, &[0xc3], None),
            ("cut short", Read, 0x1000, &[0x8b], None),
            ("no code", Read, 0x1000, &[], None),
        ] {
            assert_eq!(size_of(kind, address, code), expected, "{what}");
        }
    }

    #[test]
    fn operands_are_found() {
        let load = [0x8b, 0x08];
        assert_eq!(operands(&load, &REGISTERS), [(0x1000, 4, false)]);
        let copy = [0xa4];
        let mut both = operands(&copy, &REGISTERS);
        both.sort_unstable();
        assert_eq!(both, [(0x4000, 1, true), (0x5000, 1, false)]);
        assert_eq!(operands(&[0xc5], &REGISTERS), []);
    }

    proptest! {
        #[test]
        fn no_code_panics(
            code in prop::collection::vec(any::<u8>(), 0..24),
            address in any::<u64>(),
            write in any::<bool>(),
        ) {
            let kind = if write { AccessKind::Write } else { AccessKind::Read };
            std::hint::black_box(size_of(kind, address, &code));
            std::hint::black_box(operands(&code, &REGISTERS));
        }
    }
}
