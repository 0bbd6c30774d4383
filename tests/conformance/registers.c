// linking: glibc musl
// A system call changes rax, rcx and r11 and no other register; nor do the flags change.
#define _GNU_SOURCE
#include "check.h"
#include <stdint.h>
#include <sys/syscall.h>

int main(void) {
    uint64_t after[15];
    /* rbx, rbp and rsp are kept by the block itself; they are compared as they come out. */
    __asm__ volatile("push %%rbx\n"
                     "push %%rbp\n"
                     "mov %0, %%r15\n"
                     "mov $0x1111, %%ebx\n"
                     "mov $0x2222, %%ebp\n"
                     "xor %%edi, %%edi\n"
                     "mov $0x4444, %%esi\n"
                     "mov $0x5555, %%edx\n"
                     "mov $0x6666, %%r8d\n"
                     "mov $0x7777, %%r9d\n"
                     "mov $0x8888, %%r10d\n"
                     "mov $0x9999, %%r12d\n"
                     "mov $0xaaaa, %%r13d\n"
                     "mov $0xbbbb, %%r14d\n"
                     "mov $39, %%eax\n"
                     "stc\n"
                     "syscall\n"
                     "setc %%al\n"
                     "movzbl %%al, %%eax\n"
                     "mov %%rbx, 0(%%r15)\n"
                     "mov %%rbp, 8(%%r15)\n"
                     "mov %%rdi, 16(%%r15)\n"
                     "mov %%rsi, 24(%%r15)\n"
                     "mov %%rdx, 32(%%r15)\n"
                     "mov %%r8, 40(%%r15)\n"
                     "mov %%r9, 48(%%r15)\n"
                     "mov %%r10, 56(%%r15)\n"
                     "mov %%r12, 64(%%r15)\n"
                     "mov %%r13, 72(%%r15)\n"
                     "mov %%r14, 80(%%r15)\n"
                     "mov %%rax, 88(%%r15)\n"
                     "pop %%rbp\n"
                     "pop %%rbx\n"
                     :
                     : "r"(after)
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
                       "r14", "r15", "memory", "cc");
    uint64_t expected[] = {0x1111, 0x2222, 0, 0x4444, 0x5555, 0x6666, 0x7777, 0x8888, 0x9999, 0xaaaa, 0xbbbb, 1};
    for (int i = 0; i < 12; i++)
        CHECK(after[i] == expected[i]);
    return 0;
}
