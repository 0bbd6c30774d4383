// linking: glibc musl
// Vector registers, their control word and the x87 stack live through system calls, page faults
// and heap calls' own work, at every width that the processor has.
#define _GNU_SOURCE
#include "check.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define EACH_16(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define HIGH_16(op) op(16) op(17) op(18) op(19) op(20) op(21) op(22) op(23) op(24) op(25) op(26) op(27) op(28) op(29) op(30) op(31)
#define LOAD_256(n) "vmovdqu " #n "*32(%1), %%ymm" #n "\n"
#define SAVE_256(n) "vmovdqu %%ymm" #n ", " #n "*32(%2)\n"
#define LOAD_512(n) "vmovdqu64 " #n "*64(%1), %%zmm" #n "\n"
#define SAVE_512(n) "vmovdqu64 %%zmm" #n ", " #n "*64(%2)\n"
#define LOAD_128(n) "movdqu " #n "*16(%1), %%xmm" #n "\n"
#define SAVE_128(n) "movdqu %%xmm" #n ", " #n "*16(%2)\n"
/* Touches a fresh page, then makes a system call. */
#define DISTURB "movb $1, (%3)\n mov $39, %%eax\n syscall\n"
#define CLOBBERS "rax", "rcx", "r11", "memory", EACH_16(NAME) "cc"
#define NAME(n) "xmm" #n,

static uint8_t in[2048], out[2048];

int main(void) {
    char *fresh = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 2048; i++)
        in[i] = (uint8_t)(i * 7 + 3);
    __asm__ volatile(EACH_16(LOAD_128) DISTURB EACH_16(SAVE_128) : "=m"(out) : "r"(in), "r"(out), "r"(fresh) : CLOBBERS);
    CHECK(memcmp(in, out, 256) == 0);
    if (__builtin_cpu_supports("avx")) {
        memset(out, 0, sizeof out);
        __asm__ volatile(EACH_16(LOAD_256) DISTURB EACH_16(SAVE_256) "vzeroupper\n" : "=m"(out) : "r"(in), "r"(out), "r"(fresh + 4096) : CLOBBERS);
        CHECK(memcmp(in, out, 512) == 0);
    }
    if (__builtin_cpu_supports("avx512f")) {
        memset(out, 0, sizeof out);
        __asm__ volatile(EACH_16(LOAD_512) HIGH_16(LOAD_512) DISTURB EACH_16(SAVE_512) HIGH_16(SAVE_512) "vzeroupper\n" : "=m"(out) : "r"(in), "r"(out), "r"(fresh + 8192) : CLOBBERS);
        CHECK(memcmp(in, out, 2048) == 0);
        uint64_t mask;
        __asm__ volatile("kmovw %1, %%k3\n" DISTURB "kmovw %%k3, %%eax\n mov %%rax, %0\n" : "=r"(mask) : "r"(0xabcd), "r"(0), "r"(fresh + 12288) : "rax", "rcx", "r11", "memory");
        CHECK((mask & 0xffff) == 0xabcd);
    }
    uint32_t control = 0x1fa0 | 0x2000, found = 0;
    __asm__ volatile("ldmxcsr %1\n mov $39, %%eax\n syscall\n stmxcsr %0\n" : "=m"(found) : "m"(control) : "rax", "rcx", "r11");
    CHECK((found & 0xffc0) == (control & 0xffc0));
    control = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(control));
    long double precise = 1.0L / 3.0L, sum = 0;
    for (int i = 0; i < 10; i++) {
        sum += precise;
        free(malloc(1000 * (size_t)(i + 1)));
    }
    printf("     %.15Lf\n", sum);
    for (int i = 0; i < 100; i++) {
        double values[4] = {i, i * 0.5, i * 0.25, i * 0.125};
        double *kept = malloc(sizeof values);
        memcpy(kept, values, sizeof values);
        if (memcmp(kept, values, sizeof values) != 0)
            puts("FAIL copy");
        free(kept);
    }
    return 0;
}
