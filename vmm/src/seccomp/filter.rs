//! Filters: classic BPF programs over `struct seccomp_data`, checked and run as the kernel does.
//!
//! A [`Filter`] was checked when it was made: only instructions that seccomp allows, jumps forwards
//! and inside, loads of aligned words inside of the data, no memory read before it was written, a
//! return at the end. So it ends after at most as many steps as it has instructions; where the
//! checks and the interpreter should ever disagree it answers 0, which kills.

use std::fmt::Write as _;

/// Most instructions of a filter (`BPF_MAXINSNS`).
pub const LONGEST: usize = 4096;
/// Bytes of an instruction.
pub const INSTRUCTION: usize = 8;
/// Words of memory that a filter has.
const MEMORY: usize = 16;
/// Words of the data.
const WORDS: usize = 16;

/// `AUDIT_ARCH_X86_64`
pub const ARCHITECTURE: u32 = 0xc000_003e;

/// `struct seccomp_data`: a call, as filters see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data([u32; WORDS]);

impl Data {
    /// The call with this number and these arguments, made by the instruction before `pc`.
    #[must_use]
    pub fn new(number: u32, pc: u64, arguments: &[u64; 6]) -> Self {
        let mut words = [0; WORDS];
        words[0] = number;
        words[1] = ARCHITECTURE;
        let wide = std::iter::once(&pc).chain(arguments);
        for (pair, value) in words[2..].chunks_exact_mut(2).zip(wide) {
            pair[0] = *value as u32;
            pair[1] = (*value >> 32) as u32;
        }
        Self(words)
    }
}

/// `struct sock_filter`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    operand: u32,
}

// Classes, sizes, modes, operations and sources, as the kernel numbers them.
const LD: u16 = 0;
const LDX: u16 = 1;
const ST: u16 = 2;
const STX: u16 = 3;
const ALU: u16 = 4;
const JMP: u16 = 5;
const RET: u16 = 6;
const MISC: u16 = 7;
const ABS: u16 = 0x20;
const MEM: u16 = 0x60;
const LEN: u16 = 0x80;
const ADD: u16 = 0x00;
const SUB: u16 = 0x10;
const MUL: u16 = 0x20;
const DIV: u16 = 0x30;
const OR: u16 = 0x40;
const AND: u16 = 0x50;
const LSH: u16 = 0x60;
const RSH: u16 = 0x70;
const NEG: u16 = 0x80;
const XOR: u16 = 0xa0;
const JA: u16 = 0x00;
const JEQ: u16 = 0x10;
const JGT: u16 = 0x20;
const JGE: u16 = 0x30;
const JSET: u16 = 0x40;
/// The operand is X, not the constant.
const X: u16 = 8;
/// What `RET` returns is A.
const A: u16 = 0x10;
const TXA: u16 = 0x80;

const LD_IMM: u16 = LD;
const LD_ABS: u16 = LD | ABS;
const LD_MEM: u16 = LD | MEM;
const LD_LEN: u16 = LD | LEN;
const LDX_IMM: u16 = LDX;
const LDX_MEM: u16 = LDX | MEM;
const LDX_LEN: u16 = LDX | LEN;
const RET_A: u16 = RET | A;
const MISC_TXA: u16 = MISC | TXA;

/// A filter that has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Vec<Instruction>);

impl Filter {
    /// The filter with these bytes, an array of `struct sock_filter`; `None` if the kernel would
    /// not take it.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() % INSTRUCTION != 0 {
            return None;
        }
        let code: Vec<Instruction> = bytes.chunks_exact(INSTRUCTION).map(instruction).collect();
        let length = code.len();
        let ends = code.last()?.code;
        let fine = length <= LONGEST
            && (ends == RET || ends == RET_A)
            && code
                .iter()
                .enumerate()
                .all(|(at, instruction)| is_allowed(instruction, length - at - 1))
            && writes_before_it_reads(&code);
        fine.then_some(Self(code))
    }

    /// How many instructions it has.
    #[must_use]
    pub fn length(&self) -> usize {
        self.0.len()
    }

    /// The bytes that it was made of.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * INSTRUCTION);
        for one in &self.0 {
            bytes.extend(one.code.to_le_bytes());
            bytes.extend([one.if_true, one.if_false]);
            bytes.extend(one.operand.to_le_bytes());
        }
        bytes
    }

    /// The bytes in hexadecimal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.0.len() * INSTRUCTION * 2);
        for byte in self.bytes() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// The filter with these bytes in hexadecimal, if it is one.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let digits = text.as_bytes().chunks(2);
        let bytes = digits.map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|_| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        });
        Self::new(&bytes.collect::<Option<Vec<u8>>>()?)
    }

    /// What it answers about a call.
    #[must_use]
    pub fn run(&self, data: &Data) -> u32 {
        let (mut a, mut x, mut memory) = (0u32, 0u32, [0u32; MEMORY]);
        let mut rest = self.0.iter();
        while let Some(one) = rest.next() {
            let operand = if one.code & X != 0 { x } else { one.operand };
            let cell = one.operand as usize % MEMORY;
            match one.code {
                LD_IMM => a = one.operand,
                LD_ABS => a = data.0.get(one.operand as usize / 4).copied().unwrap_or(0),
                LD_MEM => a = memory[cell],
                LD_LEN => a = (WORDS * 4) as u32,
                LDX_IMM => x = one.operand,
                LDX_MEM => x = memory[cell],
                LDX_LEN => x = (WORDS * 4) as u32,
                ST => memory[cell] = a,
                STX => memory[cell] = x,
                MISC => x = a,
                MISC_TXA => a = x,
                RET => return one.operand,
                RET_A => return a,
                code if code & 7 == ALU => {
                    a = match code & 0xf0 {
                        ADD => a.wrapping_add(operand),
                        SUB => a.wrapping_sub(operand),
                        MUL => a.wrapping_mul(operand),
                        // As in the kernel, division by zero ends the filter with 0.
                        DIV => match a.checked_div(operand) {
                            Some(quotient) => quotient,
                            None => return 0,
                        },
                        OR => a | operand,
                        AND => a & operand,
                        XOR => a ^ operand,
                        LSH => a.wrapping_shl(operand),
                        RSH => a.wrapping_shr(operand),
                        NEG => a.wrapping_neg(),
                        _ => return 0,
                    }
                }
                code if code & 7 == JMP => {
                    let holds = match code & 0xf0 {
                        JA => {
                            skip(&mut rest, one.operand as usize);
                            continue;
                        }
                        JEQ => a == operand,
                        JGT => a > operand,
                        JGE => a >= operand,
                        JSET => a & operand != 0,
                        _ => return 0,
                    };
                    let by = if holds { one.if_true } else { one.if_false };
                    skip(&mut rest, usize::from(by));
                }
                _ => return 0,
            }
        }
        0
    }
}

fn skip(rest: &mut std::slice::Iter<'_, Instruction>, count: usize) {
    if let Some(last) = count.checked_sub(1) {
        rest.nth(last);
    }
}

fn instruction(bytes: &[u8]) -> Instruction {
    let mut all = [0; INSTRUCTION];
    all.copy_from_slice(bytes);
    let [low, high, if_true, if_false, operand @ ..] = all;
    Instruction {
        code: u16::from_le_bytes([low, high]),
        if_true,
        if_false,
        operand: u32::from_le_bytes(operand),
    }
}

/// Whether seccomp allows an instruction that so many others follow.
fn is_allowed(one: &Instruction, follow: usize) -> bool {
    let operand = one.operand as usize;
    match one.code {
        LD_ABS => operand < WORDS * 4 && operand % 4 == 0,
        LD_MEM | LDX_MEM | ST | STX => operand < MEMORY,
        LD_IMM | LDX_IMM | LD_LEN | LDX_LEN | MISC | MISC_TXA | RET | RET_A => true,
        code if code & 7 == ALU && code & !0xff == 0 => match (code & 0xf0, code & X != 0) {
            (DIV, false) => operand != 0,
            (LSH | RSH, false) => operand < 32,
            (ADD | SUB | MUL | DIV | OR | AND | XOR | LSH | RSH, _) => true,
            (NEG, by_x) => !by_x,
            _ => false,
        },
        code if code & 7 == JMP && code & !0xff == 0 => match (code & 0xf0, code & X != 0) {
            (JA, false) => operand < follow,
            (JEQ | JGT | JGE | JSET, _) => {
                usize::from(one.if_true) < follow && usize::from(one.if_false) < follow
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether no way leads to a read of memory that nothing was written to; jumps lead inside.
fn writes_before_it_reads(code: &[Instruction]) -> bool {
    // What every jump to an instruction has written, by instruction.
    let mut arriving = vec![u16::MAX; code.len()];
    let mut written = 0u16;
    for (at, one) in code.iter().enumerate() {
        written &= arriving[at];
        let mut leads_to = |by: usize| {
            if let Some(mask) = arriving.get_mut(at.saturating_add(by).saturating_add(1)) {
                *mask &= written;
            }
        };
        match one.code {
            ST | STX => written |= 1 << (one.operand % MEMORY as u32),
            LD_MEM | LDX_MEM if written & 1 << (one.operand % MEMORY as u32) == 0 => return false,
            code if code == JMP | JA => {
                leads_to(one.operand as usize);
                written = u16::MAX;
            }
            code if code & 7 == JMP => {
                leads_to(usize::from(one.if_true));
                leads_to(usize::from(one.if_false));
                written = u16::MAX;
            }
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Line = (u16, u8, u8, u32);

    fn bytes(lines: &[Line]) -> Vec<u8> {
        let code = lines
            .iter()
            .map(|&(code, if_true, if_false, operand)| Instruction {
                code,
                if_true,
                if_false,
                operand,
            })
            .collect();
        Filter(code).bytes()
    }

    fn filter(lines: &[Line]) -> Option<Filter> {
        Filter::new(&bytes(lines))
    }

    fn run(lines: &[Line]) -> u32 {
        let data = Data::new(
            39,
            0x1122_3344_5566_7788,
            &[0xa0_0000_000b, 1, 2, 3, 4, u64::MAX],
        );
        filter(lines).expect("a filter").run(&data)
    }

    const END: Line = (RET, 0, 0, 7);

    #[test]
    fn the_data_lie_where_the_kernel_has_them() {
        for (offset, expected) in [
            (0, 39),
            (4, ARCHITECTURE),
            (8, 0x5566_7788),
            (12, 0x1122_3344),
            (16, 0xb),
            (20, 0xa0),
            (24, 1),
            (60, u32::MAX),
        ] {
            assert_eq!(run(&[(LD_ABS, 0, 0, offset), (RET_A, 0, 0, 0)]), expected);
        }
        assert_eq!(run(&[(LD_LEN, 0, 0, 0), (RET_A, 0, 0, 0)]), 64);
    }

    #[test]
    fn arithmetic_is_the_kernels() {
        let by = |operation, left, right| {
            let constant = run(&[
                (LD_IMM, 0, 0, left),
                (ALU | operation, 0, 0, right),
                (RET_A, 0, 0, 0),
            ]);
            let register = run(&[
                (LD_IMM, 0, 0, left),
                (LDX_IMM, 0, 0, right),
                (ALU | operation | X, 0, 0, 0),
                (RET_A, 0, 0, 0),
            ]);
            assert_eq!(constant, register);
            constant
        };
        assert_eq!(by(ADD, u32::MAX, 2), 1);
        assert_eq!(by(SUB, 1, 2), u32::MAX);
        assert_eq!(by(MUL, 1 << 31, 6), 0);
        assert_eq!(by(DIV, 7, 2), 3);
        assert_eq!(by(OR, 5, 2), 7);
        assert_eq!(by(AND, 6, 3), 2);
        assert_eq!(by(XOR, 6, 3), 5);
        assert_eq!(by(LSH, 3, 31), 1 << 31);
        assert_eq!(by(RSH, 1 << 31, 31), 1);
        let negative = [(LD_IMM, 0, 0, 1), (ALU | NEG, 0, 0, 0), (RET_A, 0, 0, 0)];
        assert_eq!(run(&negative), u32::MAX);
        let by_zero = [(LD_IMM, 0, 0, 9), (ALU | DIV | X, 0, 0, 0), END];
        assert_eq!(run(&by_zero), 0);
        // Shifts by a register count modulo 32.
        let far = [
            (LD_IMM, 0, 0, 1),
            (LDX_IMM, 0, 0, 33),
            (ALU | LSH | X, 0, 0, 0),
            (RET_A, 0, 0, 0),
        ];
        assert_eq!(run(&far), 2);
    }

    #[test]
    fn jumps_compare_without_sign() {
        for (jump, operand, holds) in [
            (JEQ, 5, true),
            (JEQ, 4, false),
            (JGT, 4, true),
            (JGT, 5, false),
            (JGT, u32::MAX, false),
            (JGE, 5, true),
            (JGE, 6, false),
            (JSET, 4, true),
            (JSET, 2, false),
        ] {
            let lines = [
                (LD_IMM, 0, 0, 5),
                (JMP | jump, 1, 0, operand),
                (RET, 0, 0, 0),
                (RET, 0, 0, 1),
            ];
            assert_eq!(run(&lines), u32::from(holds), "{jump:#x} {operand}");
        }
        let over = [(JMP | JA, 0, 0, 1), (RET, 0, 0, 1), (RET, 0, 0, 2)];
        assert_eq!(run(&over), 2);
    }

    #[test]
    fn memory_keeps_words() {
        let lines = [
            (LD_IMM, 0, 0, 11),
            (ST, 0, 0, 15),
            (LDX_MEM, 0, 0, 15),
            (STX, 0, 0, 0),
            (LD_MEM, 0, 0, 0),
            (MISC, 0, 0, 0),
            (LD_IMM, 0, 0, 0),
            (MISC_TXA, 0, 0, 0),
            (RET_A, 0, 0, 0),
        ];
        assert_eq!(run(&lines), 11);
    }

    #[test]
    fn what_the_kernel_refuses_is_refused() {
        let refused: [&[Line]; 22] = [
            &[],
            &[(LD_IMM, 0, 0, 0)],
            &[(LD_ABS, 0, 0, 64), END],
            &[(LD_ABS, 0, 0, 2), END],
            // Bytes, halves, indirect loads, the length of a header.
            &[(LD_ABS | 0x10, 0, 0, 0), END],
            &[(LD_ABS | 0x08, 0, 0, 0), END],
            &[(LD | 0x40, 0, 0, 0), END],
            &[(LDX | 0xa0, 0, 0, 0), END],
            &[(LD_MEM, 0, 0, 0), END],
            &[(ST, 0, 0, 16), END],
            &[(ALU | DIV, 0, 0, 0), END],
            &[(ALU | LSH, 0, 0, 32), END],
            &[(ALU | 0x90, 0, 0, 1), END],
            &[(ALU | NEG | X, 0, 0, 1), END],
            &[(ALU | 0x100, 0, 0, 1), END],
            &[(JMP | JA, 0, 0, 1), END],
            &[(JMP | JA, 0, 0, u32::MAX), END],
            &[(JMP | JEQ, 0, 1, 0), END],
            &[(JMP | JEQ, 1, 0, 0), END],
            &[(JMP | 0x50, 0, 0, 0), END],
            &[(RET | X, 0, 0, 0), END],
            // One way to the read goes past the write.
            &[(JMP | JEQ, 0, 1, 0), (ST, 0, 0, 3), (LD_MEM, 0, 0, 3), END],
        ];
        for lines in refused {
            assert_eq!(filter(lines), None, "{lines:?}");
        }
        let both = [
            (JMP | JEQ, 0, 2, 0),
            (ST, 0, 0, 3),
            (JMP | JA, 0, 0, 1),
            (STX, 0, 0, 3),
            (LD_MEM, 0, 0, 3),
            END,
        ];
        assert!(filter(&both).is_some());
        assert!(filter(&vec![END; LONGEST]).is_some());
        assert!(filter(&vec![END; LONGEST + 1]).is_none());
        assert_eq!(Filter::new(&bytes(&[END])[..7]), None);
    }

    /// Codes that are likely to be allowed, among any others.
    fn code() -> impl Strategy<Value = u16> {
        let known = [
            LD_IMM,
            LD_ABS,
            LD_MEM,
            LD_LEN,
            LDX_IMM,
            LDX_MEM,
            LDX_LEN,
            ST,
            STX,
            MISC,
            MISC_TXA,
            RET,
            RET_A,
            ALU | ADD,
            ALU | DIV | X,
            ALU | LSH | X,
            ALU | NEG,
            JMP,
            JMP | JEQ,
            JMP | JGT | X,
            JMP | JSET,
        ];
        prop_oneof![8 => proptest::sample::select(known.to_vec()), 1 => any::<u16>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_filter_that_is_taken_answers_and_keeps_its_bytes(
            mut lines in prop::collection::vec(
                (code(), 0u8..6, 0u8..6, prop_oneof![0u32..70, any::<u32>()]), 0..40),
            number in any::<u32>(),
            arguments in any::<[u64; 6]>(),
        ) {
            lines.push((RET, 0, 0, 1));
            let bytes = bytes(&lines);
            if let Some(filter) = Filter::new(&bytes) {
                prop_assert_eq!(filter.bytes(), bytes);
                prop_assert_eq!(Filter::from_text(&filter.to_text()), Some(filter.clone()));
                let data = Data::new(number, 4, &arguments);
                prop_assert_eq!(filter.run(&data), filter.run(&data));
            }
        }

        #[test]
        fn any_text_is_taken_or_refused(text in ".{0,40}") {
            let again = Filter::from_text(&text).map(|filter| filter.to_text());
            prop_assert_eq!(again.is_some_and(|again| !again.eq_ignore_ascii_case(&text)), false);
        }

        #[test]
        fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(filter) = Filter::new(&bytes) {
                let data = Data::new(1, 2, &[3; 6]);
                prop_assert_eq!(filter.run(&data), filter.run(&data));
            }
        }
    }
}
