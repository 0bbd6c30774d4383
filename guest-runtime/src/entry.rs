//! The ways into the runtime, in assembly: `syscall`, exceptions, upcalls, the malloc family.
//!
//! Guarantees:
//! - No entry touches the program's red zone: `syscall` and exceptions use a stack of the per-vCPU
//!   area (or none at all), upcalls start on one, and the malloc family is called as any C function.
//! - `syscall` and upcalls keep every register but RAX, RCX and R11; vector registers included
//!   (the runtime is compiled for SSE2 only, so saving XMM0-15 suffices).
//! - The exits themselves (`out imm8, al`) read and change nothing.

use core::arch::global_asm;
use core::mem::offset_of;
use dangless_core::abi::area::VcpuArea;
use dangless_core::abi::exit;

global_asm!(
    ".macro SAVE_XMM",
    "sub rsp, 256",
    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movups [rsp + 16*\\n], xmm\\n",
    ".endr",
    ".endm",
    ".macro RESTORE_XMM",
    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movups xmm\\n, [rsp + 16*\\n]",
    ".endr",
    "add rsp, 256",
    ".endm",
    //
    // LSTAR points here. Flags are in R11, so they may be changed.
    ".balign 16",
    ".globl syscall_entry",
    "syscall_entry:",
    "cmp qword ptr gs:[{pending}], 0",
    "jne 2f",
    "out {syscall}, al",
    "ud2",
    // Queued revocations take effect before the system call: finish them on the area's stack.
    "2:",
    "mov gs:[{saved_sp}], rsp",
    "mov rsp, gs:[{stack_top}]",
    ".irp r,rax,rcx,rdx,rsi,rdi,r8,r9,r10,r11,rbp",
    "push \\r",
    ".endr",
    "SAVE_XMM",
    "cld",
    "call {drain}",
    "RESTORE_XMM",
    ".irp r,rbp,r11,r10,r9,r8,rdi,rsi,rdx,rcx,rax",
    "pop \\r",
    ".endr",
    "mov rsp, gs:[{saved_sp}]",
    "out {syscall}, al",
    "ud2",
    //
    // The VMM enters here with RSP at the top of the area's stack and RDI, RSI, RDX, RCX set.
    ".balign 16",
    ".globl upcall_entry",
    "upcall_entry:",
    "SAVE_XMM",
    "cld",
    "call {upcall}",
    "RESTORE_XMM",
    "out {upcall_done}, al",
    "ud2",
    //
    // Run once by the VMM at CPL 0: hosts that emulate ring 0 cannot do SSE arithmetic there.
    ".balign 16",
    ".globl probe_entry",
    "probe_entry:",
    "xorps xmm0, xmm0",
    "addps xmm0, xmm0",
    "mulpd xmm0, xmm0",
    "out {probe}, al",
    "ud2",
    //
    // One entry for each exception, 16 bytes apart. The VMM reads the frame at RSP.
    ".balign 16",
    ".globl exception_entries",
    "exception_entries:",
    ".irp v,0,1,2",
    ".balign 16",
    "out {exception} + \\v, al",
    "ud2",
    ".endr",
    // Breakpoint: from `flush_gate` it asks for a full flush of the TLB.
    ".balign 16",
    "jmp 3f",
    ".irp v,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    ".balign 16",
    "out {exception} + \\v, al",
    "ud2",
    ".endr",
    ".balign 16",
    "3:",
    "push rax",
    "lea rax, [rip + flush_gate_return]",
    "cmp [rsp + 8], rax",
    "jne 4f",
    "mov rax, cr3",
    "mov cr3, rax",
    "pop rax",
    "iretq",
    "4:",
    "pop rax",
    "out {exception} + 3, al",
    "ud2",
    //
    // Ring 3 reaches ring 0 for a flush through the one software interrupt that every host delivers.
    ".balign 16",
    ".globl flush_gate",
    "flush_gate:",
    "int3",
    "flush_gate_return:",
    "ret",
    //
    // The malloc family: the entry's stack pointer and RBP become further arguments, from which the
    // stack is walked.
    ".macro FAMILY name, serve, sp, bp",
    ".balign 16",
    ".globl dangless_\\name",
    "dangless_\\name:",
    "mov \\sp, rsp",
    "mov \\bp, rbp",
    "jmp \\serve",
    ".endm",
    "FAMILY malloc, {malloc}, rsi, rdx",
    "FAMILY calloc, {calloc}, rdx, rcx",
    "FAMILY realloc, {realloc}, rdx, rcx",
    "FAMILY reallocarray, {reallocarray}, rcx, r8",
    "FAMILY free, {free}, rsi, rdx",
    "FAMILY aligned_alloc, {aligned_alloc}, rdx, rcx",
    "FAMILY memalign, {memalign}, rdx, rcx",
    "FAMILY posix_memalign, {posix_memalign}, rcx, r8",
    "FAMILY valloc, {valloc}, rsi, rdx",
    "FAMILY pvalloc, {pvalloc}, rsi, rdx",
    "FAMILY malloc_usable_size, {malloc_usable_size}, rsi, rdx",
    syscall = const exit::PORT_SYSCALL,
    upcall_done = const exit::PORT_UPCALL_DONE,
    probe = const exit::PORT_PROBE,
    exception = const exit::PORT_EXCEPTION,
    pending = const offset_of!(VcpuArea, pending),
    saved_sp = const offset_of!(VcpuArea, saved_sp),
    stack_top = const offset_of!(VcpuArea, stack_top),
    drain = sym crate::upcall::drain,
    upcall = sym crate::upcall::upcall,
    malloc = sym crate::family::malloc,
    calloc = sym crate::family::calloc,
    realloc = sym crate::family::realloc,
    reallocarray = sym crate::family::reallocarray,
    free = sym crate::family::free,
    aligned_alloc = sym crate::family::aligned_alloc,
    memalign = sym crate::family::memalign,
    posix_memalign = sym crate::family::posix_memalign,
    valloc = sym crate::family::valloc,
    pvalloc = sym crate::family::pvalloc,
    malloc_usable_size = sym crate::family::malloc_usable_size,
);
