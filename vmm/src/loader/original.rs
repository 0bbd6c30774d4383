//! Keeping a replaced function callable: its first instructions, moved, and a jump to the rest.

use iced_x86::{
    BlockEncoder, BlockEncoderOptions, Decoder, DecoderOptions, FlowControl, InstructionBlock,
};

/// Most bytes that a moved beginning takes.
pub const MOST: usize = 96;
/// Most bytes of code that are looked at.
pub const LOOK: usize = 4096;
/// Longest instruction.
const LONGEST: usize = 15;
/// Most jumps from one entry to the function behind it.
const MOST_JUMPS: usize = 4;

/// The code that stands for the function at `address` when its first `replaced` bytes are gone,
/// made to run at `to`. `code` is the function's, at most `size` bytes of which are its own (0:
/// unknown). `None` where something jumps into the middle of those bytes.
pub fn moved(code: &[u8], size: u64, address: u64, replaced: usize, to: u64) -> Option<Vec<u8>> {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let mut instructions = Vec::new();
    while decoder.position() < replaced {
        if !decoder.can_decode() {
            return None;
        }
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return None;
        }
        instructions.push(instruction);
    }
    let rest = decoder.ip();
    let own = match size {
        0 => code.len(),
        size => usize::try_from(size).unwrap_or(usize::MAX).min(code.len()),
    };
    // A jump to the very start is led away with everybody else's, which does no harm.
    while decoder.can_decode() && decoder.position() < own {
        let instruction = decoder.decode();
        let target = instruction.near_branch_target();
        if address < target && target < rest {
            return None;
        }
    }
    let block = InstructionBlock::new(&instructions, to);
    let mut bytes = BlockEncoder::encode(64, block, BlockEncoderOptions::NONE)
        .ok()?
        .code_buffer;
    bytes.extend([0xff, 0x25, 0, 0, 0, 0]);
    bytes.extend(rest.to_le_bytes());
    (bytes.len() <= MOST).then_some(bytes)
}

/// The function that the one at `address` does nothing but jump to, or itself. `read` answers the
/// code at an address.
pub fn innermost(mut address: u64, read: impl Fn(u64) -> Option<[u8; 2 * LONGEST]>) -> u64 {
    for _ in 0..MOST_JUMPS {
        let Some(code) = read(address) else { break };
        let mut decoder = Decoder::with_ip(64, &code, address, DecoderOptions::NONE);
        let mut first = decoder.decode();
        if first.mnemonic() == iced_x86::Mnemonic::Endbr64 {
            first = decoder.decode();
        }
        if first.flow_control() != FlowControl::UnconditionalBranch {
            break;
        }
        address = first.near_branch_target();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::Instruction;

    const AT: u64 = 0x40_1000;
    const TO: u64 = 0x41_0000;

    fn decoded(code: &[u8], at: u64) -> Vec<Instruction> {
        Decoder::with_ip(64, code, at, DecoderOptions::NONE)
            .iter()
            .collect()
    }

    #[test]
    fn what_is_relative_leads_to_the_same_place() {
        // mov rax, [rip+0x10]; jne +0x20; ret
        let code = [0x48, 0x8b, 0x05, 0x10, 0, 0, 0, 0x75, 0x20, 0xc3];
        let bytes = moved(&code, 10, AT, 8, TO).expect("it can be moved");
        let found = decoded(&bytes, TO);
        assert_eq!(found[0].ip_rel_memory_address(), AT + 0x17);
        assert_eq!(found[1].near_branch_target(), AT + 0x29);
        assert_eq!(bytes[bytes.len() - 8..], (AT + 9).to_le_bytes());
    }

    #[test]
    fn a_loop_into_the_moved_part_is_refused() {
        // push rbp; dec rdi; nop; jne to the dec; ret
        let code = [0x55, 0x48, 0xff, 0xcf, 0x90, 0x75, 0xfa, 0xc3];
        assert_eq!(moved(&code, 8, AT, 5, TO), None);
        // Of what lies behind the function nothing is known.
        assert!(moved(&code, 5, AT, 5, TO).is_some());
    }

    #[test]
    fn jumps_are_followed_to_the_function_behind() {
        let read = |at: u64| {
            let mut code = [0x90; 2 * LONGEST];
            match at {
                // endbr64; jmp +0x20
                AT => code[..9].copy_from_slice(&[0xf3, 0x0f, 0x1e, 0xfa, 0xe9, 0x20, 0, 0, 0]),
                // Jumps to itself.
                0x5000 => code[..2].copy_from_slice(&[0xeb, 0xfe]),
                _ => {}
            }
            Some(code)
        };
        assert_eq!(innermost(AT, read), AT + 0x29);
        assert_eq!(innermost(0x5000, read), 0x5000);
        assert_eq!(innermost(0x6000, read), 0x6000);
    }
}
