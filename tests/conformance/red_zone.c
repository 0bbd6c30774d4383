// linking: glibc musl
// A leaf function keeps values below the stack pointer across system calls and page faults.
#define _GNU_SOURCE
#include "check.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define FILL                                                                                       \
    "lea -128(%%rsp), %%r8\n"                                                                      \
    "mov $16, %%ecx\n"                                                                             \
    "1: mov %%rcx, %%r9\n"                                                                         \
    "imul $0x01234567, %%r9, %%r9\n"                                                               \
    "mov %%r9, -8(%%r8,%%rcx,8)\n"                                                                 \
    "dec %%ecx\n"                                                                                  \
    "jnz 1b\n"

#define COUNT                                                                                      \
    "lea -128(%%rsp), %%r8\n"                                                                      \
    "xor %%r10d, %%r10d\n"                                                                         \
    "mov $16, %%ecx\n"                                                                             \
    "2: mov %%rcx, %%r9\n"                                                                         \
    "imul $0x01234567, %%r9, %%r9\n"                                                               \
    "cmp %%r9, -8(%%r8,%%rcx,8)\n"                                                                 \
    "je 3f\n"                                                                                      \
    "inc %%r10d\n"                                                                                 \
    "3: dec %%ecx\n"                                                                               \
    "jnz 2b\n"

/* The compiler must not use the red zone itself: the block moves the stack pointer out of it. */
static long across_system_call(long number) {
    long changed;
    __asm__ volatile("sub $256, %%rsp\n" FILL "mov %1, %%rax\n"
                     "xor %%edi, %%edi\n"
                     "syscall\n" COUNT "mov %%r10, %0\n"
                     "add $256, %%rsp\n"
                     : "=r"(changed)
                     : "b"(number)
                     : "rax", "rcx", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
    return changed;
}

static long across_fault(char *at) {
    long changed;
    __asm__ volatile("sub $256, %%rsp\n" FILL "movb $1, (%1)\n" COUNT "mov %%r10, %0\n"
                     "add $256, %%rsp\n"
                     : "=r"(changed)
                     : "b"(at)
                     : "rax", "rcx", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
    return changed;
}

int main(void) {
    CHECK(across_system_call(SYS_getpid) == 0);
    CHECK(across_system_call(SYS_brk) == 0);
    CHECK(across_system_call(SYS_sched_yield) == 0);
    CHECK(across_system_call(9999) == 0);
    long changed = 0;
    for (int i = 0; i < 1000; i++)
        changed += across_system_call(SYS_getppid);
    CHECK(changed == 0);
    char *fresh = mmap(NULL, 200 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 200; i++)
        changed += across_fault(fresh + i * 4096);
    CHECK(changed == 0);
    for (int i = 0; i < 200; i++) {
        char *object = malloc(5000);
        changed += across_fault(object + 4500);
        free(object);
    }
    CHECK(changed == 0);
    return 0;
}
