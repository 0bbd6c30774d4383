//! Rules for functions without unwind information, from their instructions.
//!
//! musl's library, for one, is built without `.eh_frame`, and neither does it keep frame pointers:
//! a fault in its `memcpy` would leave the caller unknown. Following how the instructions move the
//! stack pointer, along all direct branches, gives the distance to the CFA at nearly all of them.
//! Where it does not, the rule is [`Rule::Unknown`].

use dangless_core::unwind::Rule;
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};

/// Distances at one instruction, each `None` where it is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    /// From the stack pointer up to the CFA.
    stack: Option<i32>,
    /// From the frame pointer up to the CFA.
    frame: Option<i32>,
    /// From the CFA to the saved frame pointer, 0 while the register still holds the caller's.
    saved: i32,
}

impl State {
    /// On entry the return address alone lies between stack pointer and CFA.
    const ENTRY: Self = Self {
        stack: Some(8),
        frame: None,
        saved: 0,
    };

    fn rule(self) -> Rule {
        let saved = self.saved;
        match (self.stack, self.frame) {
            (Some(cfa), _) => Rule::Stack { cfa, saved },
            (None, Some(cfa)) => Rule::Frame { cfa, saved },
            (None, None) => Rule::Unknown,
        }
    }
}

/// Follows the instructions of one function.
struct Inference<'c> {
    address: u64,
    decoder: Decoder<'c>,
    factory: InstructionInfoFactory,
    /// By offset into the code: the state before the instruction there, and its length.
    states: Vec<Option<(State, usize)>>,
    work: Vec<(usize, State)>,
    /// The state at the last jump through a table: its targets are entered with it.
    table: Option<State>,
}

/// The rules of the function at `address` whose instructions are `code`: where each starts, as an
/// offset into `code`, in order.
pub fn rules(code: &[u8], address: u64) -> Vec<(usize, Rule)> {
    let mut inference = Inference {
        address,
        decoder: Decoder::with_ip(64, code, address, DecoderOptions::NONE),
        factory: InstructionInfoFactory::new(),
        states: vec![None; code.len()],
        work: vec![(0, State::ENTRY)],
        table: None,
    };
    inference.follow();
    inference.follow_tables();
    inference.rules()
}

impl Inference<'_> {
    /// Follows everything that `work` leads to.
    fn follow(&mut self) {
        let mut instruction = Instruction::default();
        while let Some((mut offset, mut state)) = self.work.pop() {
            while self.states.get(offset).is_some_and(Option::is_none) {
                if !self.decode(offset, &mut instruction) {
                    break;
                }
                if let Some(known) = self.states.get_mut(offset) {
                    *known = Some((state, instruction.len()));
                }
                state = self.after(&instruction, state);
                if !self.branch(&instruction, state) {
                    break;
                }
                offset += instruction.len();
            }
        }
    }

    /// Follows code that only jumps through tables reach.
    fn follow_tables(&mut self) {
        let Some(state) = self.table else {
            return;
        };
        let mut instruction = Instruction::default();
        let mut offset = 0;
        while let Some(known) = self.states.get(offset) {
            if let Some((_, length)) = known {
                offset += length;
                continue;
            }
            if !self.decode(offset, &mut instruction) {
                break;
            }
            if matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Int3) {
                offset += instruction.len();
                continue;
            }
            self.work.push((offset, state));
            self.follow();
        }
    }

    fn decode(&mut self, offset: usize, instruction: &mut Instruction) -> bool {
        if self.decoder.set_position(offset).is_err() {
            return false;
        }
        self.decoder
            .set_ip(self.address.wrapping_add(offset as u64));
        self.decoder.decode_out(instruction);
        !instruction.is_invalid()
    }

    /// Queues the target of a branch; says whether the next instruction can follow this one.
    fn branch(&mut self, instruction: &Instruction, after: State) -> bool {
        let mut go_to = |state| {
            let target = instruction.near_branch_target().wrapping_sub(self.address);
            if let Ok(target) = usize::try_from(target) {
                if target < self.states.len() {
                    self.work.push((target, state));
                }
            }
        };
        match instruction.flow_control() {
            FlowControl::ConditionalBranch => {
                go_to(after);
                true
            }
            FlowControl::UnconditionalBranch => {
                go_to(after);
                false
            }
            FlowControl::IndirectBranch => {
                // If it is a tail call and not a table, nothing is left that only it reaches.
                self.table = Some(after);
                false
            }
            FlowControl::Return | FlowControl::Exception | FlowControl::Interrupt => false,
            FlowControl::Next
            | FlowControl::Call
            | FlowControl::IndirectCall
            | FlowControl::XbeginXabortXend => true,
        }
    }

    /// The state after `instruction`.
    fn after(&mut self, instruction: &Instruction, state: State) -> State {
        let State {
            mut stack,
            mut frame,
            mut saved,
        } = state;
        let operand = instruction.op0_register();
        match instruction.mnemonic() {
            // What a call pushes, the return takes.
            Mnemonic::Call | Mnemonic::Syscall => {}
            Mnemonic::Push if operand == Register::RBP => {
                stack = stack.and_then(|stack| stack.checked_add(8));
                if let (0, None, Some(stack)) = (saved, frame, stack) {
                    saved = stack.checked_neg().unwrap_or_default();
                }
            }
            Mnemonic::Pop if operand == Register::RBP => {
                stack = stack.and_then(|stack| stack.checked_sub(8));
                (frame, saved) = (None, 0);
            }
            Mnemonic::Leave => {
                stack = frame.and_then(|frame| frame.checked_sub(8));
                (frame, saved) = (None, 0);
            }
            Mnemonic::Mov if moves(instruction, Register::RBP, Register::RSP) => frame = stack,
            Mnemonic::Mov if moves(instruction, Register::RSP, Register::RBP) => stack = frame,
            Mnemonic::Sub | Mnemonic::Add if operand == Register::RSP => {
                stack = immediate(instruction).and_then(|bytes| match instruction.mnemonic() {
                    Mnemonic::Sub => stack?.checked_add(bytes),
                    _ => stack?.checked_sub(bytes),
                });
            }
            Mnemonic::Lea if operand == Register::RSP => {
                let from = match instruction.memory_base() {
                    Register::RSP => stack,
                    Register::RBP => frame,
                    _ => None,
                };
                let distance = i32::try_from(instruction.memory_displacement64() as i64);
                stack = match instruction.memory_index() {
                    Register::None => from.and_then(|from| from.checked_sub(distance.ok()?)),
                    _ => None,
                };
            }
            _ => {
                let moved = instruction.stack_pointer_increment();
                let (stack_written, frame_written) = self.written(instruction);
                if moved != 0 {
                    stack = stack.and_then(|stack| stack.checked_sub(moved));
                } else if stack_written {
                    stack = None;
                }
                if frame_written {
                    frame = None;
                }
            }
        }
        State {
            stack,
            frame,
            saved,
        }
    }

    /// Whether `instruction` writes the stack pointer, and whether the frame pointer.
    fn written(&mut self, instruction: &Instruction) -> (bool, bool) {
        let mut written = (false, false);
        for used in self.factory.info(instruction).used_registers() {
            if matches!(used.access(), OpAccess::Read | OpAccess::CondRead) {
                continue;
            }
            match used.register().full_register() {
                Register::RSP => written.0 = true,
                Register::RBP => written.1 = true,
                _ => {}
            }
        }
        written
    }

    fn rules(&self) -> Vec<(usize, Rule)> {
        let mut rules: Vec<(usize, Rule)> = Vec::new();
        let mut known_until = 0;
        for (offset, state) in self.states.iter().enumerate() {
            let rule = match state {
                Some((state, length)) => {
                    known_until = offset + length;
                    state.rule()
                }
                None if offset < known_until => continue,
                None => Rule::Unknown,
            };
            if rules.last().is_none_or(|&(_, last)| last != rule) {
                rules.push((offset, rule));
            }
        }
        rules
    }
}

fn moves(instruction: &Instruction, to: Register, from: Register) -> bool {
    instruction.op0_register() == to
        && instruction.op1_kind() == OpKind::Register
        && instruction.op1_register() == from
}

fn immediate(instruction: &Instruction) -> Option<i32> {
    match instruction.op1_kind() {
        OpKind::Immediate8to64 | OpKind::Immediate32to64 => {
            i32::try_from(instruction.immediate(1) as i64).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn stack(cfa: i32, saved: i32) -> Rule {
        Rule::Stack { cfa, saved }
    }

    #[test]
    fn pushes_and_frames_are_followed() {
        let code = [
            0x55, // push %rbp
            0x48, 0x89, 0xe5, // mov %rsp, %rbp
            0x48, 0x83, 0xec, 0x20, // sub $32, %rsp
            0x48, 0x83, 0xe4, 0xc0, // and $-64, %rsp
            0xc9, // leave
            0xc3, // ret
        ];
        let expected = [
            (0, stack(8, 0)),
            (1, stack(16, -16)),
            (8, stack(48, -16)),
            (
                12,
                Rule::Frame {
                    cfa: 16,
                    saved: -16,
                },
            ),
            (13, stack(8, 0)),
        ];
        assert_eq!(rules(&code, 0x1000), expected);
    }

    #[test]
    fn both_ways_of_a_branch_are_followed() {
        let code = [
            0x53, // push %rbx
            0x74, 0x02, // je to the second pop
            0x5b, // pop %rbx
            0xc3, // ret
            0x5b, // pop %rbx
            0xc3, // ret
        ];
        let expected = [
            (0, stack(8, 0)),
            (1, stack(16, 0)),
            (4, stack(8, 0)),
            (5, stack(16, 0)),
            (6, stack(8, 0)),
        ];
        assert_eq!(rules(&code, 0x1000), expected);
    }

    #[test]
    fn what_cannot_be_followed_is_unknown() {
        // mov %rdi, %rsp; ret; then bytes that nothing leads to
        let code = [0x48, 0x89, 0xfc, 0xc3, 0x90, 0x90];
        assert_eq!(rules(&code, 0), [(0, stack(8, 0)), (3, Rule::Unknown)]);
        assert_eq!(rules(&[], 0), []);
    }

    proptest! {
        #[test]
        fn no_code_panics(
            code in prop::collection::vec(any::<u8>(), 0..300),
            address in any::<u64>(),
        ) {
            let rules = rules(&code, address);
            prop_assert!(rules.is_sorted_by_key(|&(offset, _)| offset));
            prop_assert!(rules.iter().all(|&(offset, _)| offset < code.len()));
        }

        #[test]
        fn no_moves_of_the_stack_pointer_overflow(
            distances in prop::collection::vec(prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX)], 0..20),
            kinds in prop::collection::vec(0usize..4, 20),
        ) {
            let mut code = Vec::new();
            for (distance, kind) in distances.iter().zip(kinds) {
                match kind {
                    0 => code.extend([0x48, 0x81, 0xec]),
                    1 => code.extend([0x48, 0x81, 0xc4]),
                    2 => code.extend([0x48, 0x8d, 0xa4, 0x24]),
                    _ => code.extend([0x55, 0x48, 0x8d, 0xa5]),
                }
                code.extend(distance.to_le_bytes());
            }
            std::hint::black_box(rules(&code, 0));
        }
    }
}
