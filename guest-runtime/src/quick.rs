//! `malloc` and `free` for the cases that nearly every call is, in assembly.
//!
//! What is done, and in which order, is `Space::allocate_quickly` and `Space::free_quickly` of
//! `dangless_core::heap`; this leaves out what a compiler cannot: a frame, and moving arguments for
//! calls that are not made. Whatever is not such a case goes to the ways in of [`crate::entry`],
//! with nothing changed, registers and stack as they were.

use core::arch::global_asm;
use core::mem::offset_of;
use dangless_core::abi::area::VcpuArea;
use dangless_core::heap::quick;

global_asm!(
    // RDI: bytes. Every front has a run or none; what may not be handed out quickly leads to a word
    // that is zero.
    ".balign 64",
    ".globl dangless_malloc",
    "dangless_malloc:",
    "cmp rdi, {largest}",
    "ja dangless_malloc_slowly",
    "lea eax, [rdi + 15]",
    "shr eax, 4",
    "mov rcx, gs:[rax*8 + {fronts}]",
    "sub qword ptr [rcx + {left}], 1",
    "jb 2f",
    "mov rax, [rcx + {next}]",
    "mov rdx, [rcx + {step}]",
    "add rdx, rax",
    "mov [rcx + {next}], rdx",
    // Its page is a new one, whose translation takes the processor long to find.
    "prefetcht0 [rdx]",
    "mov rsi, [rcx + {chunk}]",
    "mov rdx, [rcx + {cursor_step}]",
    "add [rsi + {cursor}], rdx",
    "cmp qword ptr gs:[{signal}], 0",
    "jne family_checkpoint",
    "ret",
    "2:",
    "mov qword ptr [rcx + {left}], 0",
    "jmp dangless_malloc_slowly",
    //
    // RDI: the address.
    ".balign 64",
    ".globl dangless_free",
    "dangless_free:",
    "mov rcx, rdi",
    "sub rcx, gs:[{quick_start}]",
    "cmp rcx, gs:[{quick_bytes}]",
    "jae dangless_free_slowly",
    // EAX: the address within its window, less where the window's objects start on a page.
    "mov eax, ecx",
    "and eax, {inside}",
    "shr rcx, {record_shift}",
    "and rcx, {record_mask}",
    "add rcx, gs:[{records}]",
    "sub eax, [rcx + {offset}]",
    "test eax, {misplaced}",
    "jnz dangless_free_slowly",
    // R9: the word with its bit, at RCX + 8 RSI; cleared.
    "mov edx, eax",
    "shr edx, {page_shift}",
    "mov esi, edx",
    "shr esi, 6",
    "mov r9, [rcx + rsi*8 + {live}]",
    "btr r9, rdx",
    "jnc dangless_free_slowly",
    // Has it been handed out?
    "shl rax, {to_cursor}",
    "add rax, [rcx + {key}]",
    "mov r10, [rcx + {owner}]",
    "cmp rax, [r10 + {cursor}]",
    "jae dangless_free_slowly",
    "sub word ptr [rcx + {margin}], 1",
    "jb 3f",
    "mov [rcx + rsi*8 + {live}], r9",
    "cmp qword ptr gs:[{signal}], 0",
    "jne family_checkpoint",
    "ret",
    "3:",
    "mov word ptr [rcx + {margin}], 0",
    "jmp dangless_free_slowly",
    largest = const quick::LARGEST,
    fronts = const offset_of!(VcpuArea, quick.fronts),
    left = const quick::LEFT,
    next = const quick::NEXT,
    step = const quick::STEP,
    chunk = const quick::CHUNK,
    cursor_step = const quick::CURSOR_STEP,
    cursor = const quick::CURSOR,
    signal = const offset_of!(VcpuArea, signal),
    quick_start = const offset_of!(VcpuArea, quick.start),
    quick_bytes = const offset_of!(VcpuArea, quick.bytes),
    records = const offset_of!(VcpuArea, quick.records),
    inside = const dangless_core::address::LARGE_PAGE_SIZE - 1,
    record_shift = const quick::RECORD_SHIFT,
    record_mask = const quick::RECORD_MASK,
    offset = const quick::OFFSET,
    misplaced = const quick::MISPLACED,
    page_shift = const dangless_core::address::PAGE_SIZE.ilog2(),
    live = const quick::LIVE,
    to_cursor = const quick::TO_CURSOR,
    key = const quick::KEY,
    owner = const quick::OWNER,
    margin = const quick::MARGIN,
);
