//! The frame of a signal handler, as Linux lays it out on the stack of a program for x86-64:
//! return address, `struct ucontext`, `siginfo_t`; floating-point and vector state above.

use crate::signals::slot::INFO;
use crate::syscalls::state::AlternateStack;
use kvm_bindings::{kvm_regs, kvm_xsave};

/// Bytes of the frame, without vector state.
pub const SIZE: usize = CONTEXT + CONTEXT_SIZE + INFO;
/// Offset of `struct ucontext`, behind the return address.
pub const CONTEXT: usize = 8;
const CONTEXT_SIZE: usize = 304;
/// Offset of `siginfo_t`.
pub const INFORMATION: usize = CONTEXT + CONTEXT_SIZE;

// In `struct ucontext`:
const STACK: usize = 16;
const MACHINE: usize = 40;
const MASK: usize = 296;
// In `struct sigcontext`, behind 18 registers:
const SEGMENTS: usize = 144;
const ERROR: usize = 152;
const VECTORS: usize = 184;

/// Vector state is in `xsave`'s layout; CS and SS are saved, and restored.
const FLAGS: u64 = 1 | 2 | 4;
/// Selectors of a 64-bit program on Linux, whatever the guest's are.
const SELECTORS: u64 = 0x33 | 0x2b << 48;
/// Flags that a program may set.
const SETTABLE: u64 = 0x50dd5;

/// Where in the legacy part of vector state the kernel says how much more there is.
const SOFTWARE: usize = 464;
const MAGIC_1: u32 = 0x4650_5853;
const MAGIC_2: u32 = 0x4650_5845;
const HEADER: usize = 512;
const MXCSR: usize = 24;

/// What a handler finds, and where the program goes on after it.
#[derive(Clone)]
pub struct Saved {
    /// General registers.
    pub registers: kvm_regs,
    /// Signals blocked before.
    pub mask: u64,
    /// The alternate stack before.
    pub stack: AlternateStack,
    /// Error code, exception vector, and fault address.
    pub fault: [u64; 3],
    /// Address of the vector state, or 0.
    pub vectors: u64,
}

fn put(bytes: &mut [u8], at: usize, value: u64) {
    if let Some(slot) = bytes.get_mut(at..at + 8) {
        slot.copy_from_slice(&value.to_le_bytes());
    }
}

fn get(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
    word.map_or(0, u64::from_le_bytes)
}

/// The registers in the order of `struct sigcontext`.
fn order(registers: &mut kvm_regs) -> [&mut u64; 18] {
    let r = registers;
    [
        &mut r.r8,
        &mut r.r9,
        &mut r.r10,
        &mut r.r11,
        &mut r.r12,
        &mut r.r13,
        &mut r.r14,
        &mut r.r15,
        &mut r.rdi,
        &mut r.rsi,
        &mut r.rbp,
        &mut r.rbx,
        &mut r.rdx,
        &mut r.rax,
        &mut r.rcx,
        &mut r.rsp,
        &mut r.rip,
        &mut r.rflags,
    ]
}

/// The frame's bytes.
#[must_use]
pub fn encode(saved: &Saved, information: &[u8; INFO], restorer: u64) -> [u8; SIZE] {
    let mut frame = [0; SIZE];
    put(&mut frame, 0, restorer);
    put(&mut frame, CONTEXT, FLAGS);
    put(&mut frame, CONTEXT + STACK, saved.stack.base);
    let flags = u64::from(saved.stack.flags as u32);
    put(&mut frame, CONTEXT + STACK + 8, flags);
    put(&mut frame, CONTEXT + STACK + 16, saved.stack.size);
    let machine = CONTEXT + MACHINE;
    let mut registers = saved.registers;
    for (index, register) in order(&mut registers).into_iter().enumerate() {
        put(&mut frame, machine + 8 * index, *register);
    }
    put(&mut frame, machine + SEGMENTS, SELECTORS);
    let [error, vector, address] = saved.fault;
    let words = [error, vector, saved.mask, address, saved.vectors];
    for (index, word) in words.into_iter().enumerate() {
        put(&mut frame, machine + ERROR + 8 * index, word);
    }
    put(&mut frame, CONTEXT + MASK, saved.mask);
    frame[INFORMATION..].copy_from_slice(information);
    frame
}

/// Bytes of `struct ucontext`.
pub const CONTEXT_BYTES: usize = CONTEXT_SIZE;

/// What a `struct ucontext`, which the program may have changed, says.
#[must_use]
pub fn decode(context: &[u8; CONTEXT_SIZE]) -> Saved {
    let mut registers = kvm_regs::default();
    for (index, register) in order(&mut registers).into_iter().enumerate() {
        *register = get(context, MACHINE + 8 * index);
    }
    registers.rflags = registers.rflags & SETTABLE | 0x202;
    Saved {
        registers,
        mask: get(context, MASK),
        stack: AlternateStack {
            base: get(context, STACK),
            flags: get(context, STACK + 8) as i32,
            size: get(context, STACK + 16),
        },
        fault: [0; 3],
        vectors: get(context, MACHINE + VECTORS),
    }
}

/// The bytes of vector state in `xsave`'s layout.
fn bytes_of(state: &kvm_xsave) -> [u8; 4096] {
    let mut bytes = [0; 4096];
    for (slot, word) in bytes.chunks_exact_mut(4).zip(&state.region) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Vector state as it stands in a frame; `features` and `size` are those of the processor.
#[must_use]
pub fn encode_vectors(state: &kvm_xsave, features: u64, size: usize) -> Vec<u8> {
    let size = size.clamp(HEADER + 64, 4096);
    let mut bytes = bytes_of(state)[..size].to_vec();
    let full = size as u64 + 4;
    put(&mut bytes, SOFTWARE, u64::from(MAGIC_1) | full << 32);
    put(&mut bytes, SOFTWARE + 8, features);
    put(&mut bytes, SOFTWARE + 16, size as u64);
    bytes[SOFTWARE + 24..HEADER].fill(0);
    bytes.extend(MAGIC_2.to_le_bytes());
    bytes
}

/// Vector state from a frame's legacy part and what follows it, made such that the processor takes
/// it.
#[must_use]
pub fn decode_vectors(bytes: &[u8], features: u64, size: usize) -> kvm_xsave {
    let size = size.clamp(HEADER + 64, 4096);
    let mut whole = [0u8; 4096];
    let is_extended = get(bytes, SOFTWARE) as u32 == MAGIC_1
        && get(bytes, SOFTWARE + 16) as u32 as usize == size
        && bytes.get(size..size + 4) == Some(&MAGIC_2.to_le_bytes());
    let taken = if is_extended { size } else { HEADER };
    let taken = taken.min(bytes.len());
    whole[..taken].copy_from_slice(&bytes[..taken]);
    let parts = if is_extended {
        get(&whole, HEADER) & features
    } else {
        3
    };
    whole[SOFTWARE..HEADER].fill(0);
    whole[HEADER..HEADER + 64].fill(0);
    put(&mut whole, HEADER, parts);
    // Reserved bits of MXCSR would be refused.
    whole[MXCSR + 2] = 0;
    whole[MXCSR + 3] = 0;
    let mut state = kvm_xsave::default();
    for (word, chunk) in state.region.iter_mut().zip(whole.chunks_exact(4)) {
        *word = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
    }
    state
}

/// Vector state as a program starts with.
#[must_use]
pub fn fresh_vectors() -> kvm_xsave {
    let mut state = kvm_xsave::default();
    state.region[0] = 0x37f;
    state.region[MXCSR / 4] = 0x1f80;
    // Its parts are all in their initial state, but for what is in the legacy part.
    state.region[HEADER / 4] = 3;
    state
}

/// The `si_code` of a floating-point error, from the vector state and the exception.
#[must_use]
pub fn floating_point_code(state: &kvm_xsave, is_x87: bool) -> i32 {
    let raised = if is_x87 {
        let (control, status) = (state.region[0] & 0xffff, state.region[0] >> 16);
        status & !control
    } else {
        let mxcsr = state.region[MXCSR / 4];
        !(mxcsr >> 7) & mxcsr
    };
    match raised & 0x3f {
        error if error & 0x01 != 0 => 7,
        error if error & 0x04 != 0 => 3,
        error if error & 0x08 != 0 => 4,
        error if error & 0x12 != 0 => 5,
        error if error & 0x20 != 0 => 6,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_come_back_as_they_were() {
        let registers = kvm_regs {
            rax: 1,
            rip: 0x40_1000,
            rsp: 0x7000,
            rflags: 0x246,
            r15: 15,
            ..kvm_regs::default()
        };
        let saved = Saved {
            registers,
            mask: 0x1234,
            stack: AlternateStack {
                base: 0x9000,
                flags: 0,
                size: 0x4000,
            },
            fault: [4, 14, 0xdead],
            vectors: 0x5000,
        };
        let frame = encode(&saved, &[7; INFO], 0x42);
        assert_eq!(get(&frame, 0), 0x42);
        let mut context = [0; CONTEXT_SIZE];
        context.copy_from_slice(&frame[CONTEXT..CONTEXT + CONTEXT_SIZE]);
        let back = decode(&context);
        assert_eq!(back.registers, registers);
        assert_eq!((back.mask, back.vectors), (0x1234, 0x5000));
        assert_eq!(back.stack, saved.stack);
        // As <sys/ucontext.h> has it: REG_ERR, REG_TRAPNO, REG_CR2 of `gregs`.
        assert_eq!(get(&context, 40 + 8 * 19), 4);
        assert_eq!(get(&context, 40 + 8 * 20), 14);
        assert_eq!(get(&context, 40 + 8 * 22), 0xdead);
    }

    #[test]
    fn vectors_come_back_and_forged_ones_are_tamed() {
        let mut state = fresh_vectors();
        state.region[144] = 0x77;
        state.region[HEADER / 4] = 7;
        let bytes = encode_vectors(&state, 7, 832);
        assert_eq!(bytes.len(), 836);
        assert_eq!(decode_vectors(&bytes, 7, 832).region, state.region);
        let mut forged = bytes.clone();
        forged[HEADER..HEADER + 64].fill(0xff);
        forged[MXCSR..MXCSR + 4].fill(0xff);
        let tamed = decode_vectors(&forged, 7, 832);
        assert_eq!(tamed.region[HEADER / 4], 7);
        assert_eq!(tamed.region[HEADER / 4 + 2], 0);
        assert_eq!(tamed.region[MXCSR / 4], 0xffff);
        // Without the magic words only the legacy part counts.
        let old = decode_vectors(&bytes[..512], 7, 832);
        assert_eq!(old.region[HEADER / 4], 3);
        assert_eq!(decode_vectors(&[], 7, 832).region[0], 0);
    }
}
