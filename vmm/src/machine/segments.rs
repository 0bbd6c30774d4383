//! Segments, descriptor tables and control registers of a vCPU.
//!
//! The selectors are Linux's own, which hosts without hardware virtualisation insist on. The
//! tables lie in the per-vCPU area; all exceptions use the interrupt stack of the task state
//! segment, so that none touches the program's stack. The I/O permission bitmap opens the exit
//! ports to ring 3 and no other.

use dangless_core::abi::{area, exit};
use kvm_bindings::{kvm_dtable, kvm_segment, kvm_sregs};

/// The privilege level of program and runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    /// Native on hardware virtualisation.
    Zero,
    /// For hosts that emulate ring 0.
    Three,
}

impl Ring {
    /// 0 or 3.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::Zero => 0,
            Self::Three => 3,
        }
    }
}

const KERNEL_CODE: u16 = 0x10;
const KERNEL_DATA: u16 = 0x18;
const USER_CODE: u16 = 0x33;
const USER_DATA: u16 = 0x2b;
const TASK: u16 = 0x40;

/// CR0: protected mode, paging, write protection also for ring 0, native FPU errors.
const CR0: u64 = 1 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 16 | 1 << 18 | 1 << 31;
/// CR4: PAE, SSE and its exceptions, XSAVE. No FSGSBASE: GS belongs to the runtime.
const CR4: u64 = 1 << 5 | 1 << 9 | 1 << 10 | 1 << 18;
/// EFER: `syscall`, long mode (enabled, active), no-execute.
const EFER: u64 = 1 | 1 << 8 | 1 << 10 | 1 << 11;

/// `MSR_STAR`'s value: selectors of `syscall`.
pub const STAR: u64 = (KERNEL_CODE as u64) << 32 | 0x23 << 48;
/// `MSR_SYSCALL_MASK`'s value: flags that `syscall` clears (trap, interrupt, direction, alignment check).
pub const SYSCALL_MASK: u64 = 1 << 8 | 1 << 9 | 1 << 10 | 1 << 18;

const fn code(selector: u16, dpl: u8) -> kvm_segment {
    kvm_segment {
        base: 0,
        limit: 0xffff_ffff,
        selector,
        type_: 0xb,
        present: 1,
        dpl,
        db: 0,
        s: 1,
        l: 1,
        g: 1,
        avl: 0,
        unusable: 0,
        padding: 0,
    }
}

const fn data(selector: u16, dpl: u8) -> kvm_segment {
    kvm_segment {
        type_: 0x3,
        l: 0,
        db: 1,
        ..code(selector, dpl)
    }
}

/// Sets the code and stack segments for a privilege level.
pub fn set_ring(sregs: &mut kvm_sregs, ring: Ring) {
    (sregs.cs, sregs.ss) = match ring {
        Ring::Zero => (code(KERNEL_CODE, 0), data(KERNEL_DATA, 0)),
        Ring::Three => (code(USER_CODE, 3), data(USER_DATA, 3)),
    };
}

/// Fills in everything but general registers for a vCPU whose area is at `base`.
pub fn set_up(sregs: &mut kvm_sregs, base: u64, root: u64, fs_base: u64, ring: Ring) {
    set_ring(sregs, ring);
    let null = kvm_segment {
        unusable: 0,
        ..data(USER_DATA, 3)
    };
    sregs.ds = null;
    sregs.es = null;
    sregs.fs = kvm_segment {
        base: fs_base,
        ..null
    };
    sregs.gs = kvm_segment { base, ..null };
    sregs.tr = kvm_segment {
        base: base + area::TSS,
        limit: (TSS_BYTES - 1) as u32,
        selector: TASK,
        type_: 0xb,
        s: 0,
        l: 0,
        g: 0,
        ..code(0, 0)
    };
    sregs.ldt.unusable = 1;
    sregs.gdt = kvm_dtable {
        base: base + area::GDT,
        limit: GDT_BYTES as u16 - 1,
        padding: [0; 3],
    };
    sregs.idt = kvm_dtable {
        base: base + area::IDT,
        limit: (256 * 16 - 1) as u16,
        padding: [0; 3],
    };
    sregs.cr0 = CR0;
    sregs.cr3 = root;
    sregs.cr4 = CR4;
    sregs.efer = EFER;
}

const GDT_BYTES: usize = TASK as usize + 16;
/// The task state segment, then one bit for each of 256 ports, then the terminating byte.
const TSS_BYTES: usize = 104 + 32 + 1;

/// The global descriptor table of the vCPU whose area is at `base`.
#[must_use]
pub fn gdt(base: u64) -> [u8; GDT_BYTES] {
    let mut table = [0u8; GDT_BYTES];
    let task = base + area::TSS;
    let low =
        (TSS_BYTES as u64 - 1) | (task & 0xff_ffff) << 16 | 0x8b << 40 | (task >> 24 & 0xff) << 56;
    for (selector, descriptor) in [
        (KERNEL_CODE, 0x00af_9b00_0000_ffff),
        (KERNEL_DATA, 0x00cf_9300_0000_ffff),
        (0x20, 0x00cf_fb00_0000_ffff),
        (USER_DATA & !7, 0x00cf_f300_0000_ffff),
        (USER_CODE & !7, 0x00af_fb00_0000_ffff),
        (TASK, low),
        (TASK + 8, task >> 32),
    ] {
        let at = selector as usize;
        table[at..at + 8].copy_from_slice(&u64::to_le_bytes(descriptor));
    }
    table
}

/// The interrupt descriptor table: 32 exception entries of 16 bytes from `entries`, on interrupt
/// stack 1; breakpoint and overflow may be raised by ring 3.
#[must_use]
pub fn idt(entries: u64) -> [u8; 32 * 16] {
    let mut table = [0u8; 32 * 16];
    for (vector, gate) in table.chunks_exact_mut(16).enumerate() {
        let entry = entries + 16 * vector as u64;
        let dpl: u64 = if vector == 3 || vector == 4 { 3 } else { 0 };
        let low = entry & 0xffff
            | (KERNEL_CODE as u64) << 16
            | 1 << 32
            | (0x8e | dpl << 5) << 40
            | (entry >> 16 & 0xffff) << 48;
        gate[..8].copy_from_slice(&low.to_le_bytes());
        gate[8..].copy_from_slice(&(entry >> 32).to_le_bytes());
    }
    table
}

/// The task state segment of the vCPU whose area is at `base`.
#[must_use]
pub fn tss(base: u64) -> [u8; TSS_BYTES] {
    let mut segment = [0u8; TSS_BYTES];
    let stack = base + area::FAULT_STACK + area::FAULT_STACK_SIZE;
    segment[4..12].copy_from_slice(&stack.to_le_bytes());
    segment[36..44].copy_from_slice(&stack.to_le_bytes());
    segment[102..104].copy_from_slice(&104u16.to_le_bytes());
    for port in 0..256usize {
        let open = [
            exit::PORT_SYSCALL,
            exit::PORT_REQUEST,
            exit::PORT_UPCALL_DONE,
            exit::PORT_CHECKPOINT,
        ]
        .iter()
        .any(|&p| p as usize == port);
        if !open {
            segment[104 + port / 8] |= 1 << (port % 8);
        }
    }
    segment[TSS_BYTES - 1] = 0xff;
    segment
}
