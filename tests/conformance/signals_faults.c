// linking: glibc musl
// The program's own faults, as its handlers see them.
#define _GNU_SOURCE
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile int code, signalled;
static void *volatile address;
static volatile long trap, error, fault;

static void caught(int signal, siginfo_t *info, void *context) {
    ucontext_t *at = context;
    signalled = signal;
    code = info->si_code;
    address = info->si_addr;
    trap = at->uc_mcontext.gregs[REG_TRAPNO];
    error = at->uc_mcontext.gregs[REG_ERR];
    fault = at->uc_mcontext.gregs[REG_CR2];
    siglongjmp(back, 1);
}

static volatile int fixed;
static void fix(int signal, siginfo_t *info, void *context) {
    (void)context;
    fixed += signal;
    mprotect((void *)((uintptr_t)info->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE);
}

static void skip(int signal, siginfo_t *info, void *context) {
    ucontext_t *at = context;
    (void)info;
    fixed += signal;
    at->uc_mcontext.gregs[REG_RIP] += 2;
}

#define CATCH(expression)                \
    do {                                 \
        signalled = 0;                   \
        if (sigsetjmp(back, 1) == 0)     \
            expression;                  \
    } while (0)

static volatile int zero;

int main(void) {
    struct sigaction action = {0};
    action.sa_sigaction = caught;
    action.sa_flags = SA_SIGINFO;
    for (int signal = 1; signal < 32; signal++)
        if (signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL ||
            signal == SIGTRAP)
            sigaction(signal, &action, NULL);

    CATCH(*(volatile int *)16 = 1);
    CHECK(signalled == SIGSEGV && code == SEGV_MAPERR && address == (void *)16);
    CHECK(trap == 14 && (error & 6) == 6 && fault == 16);
    char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page[5] == 0);
    CATCH(page[5] = 1);
    CHECK(signalled == SIGSEGV && code == SEGV_ACCERR && address == page + 5);
    CATCH(((void (*)(void))page)());
    CHECK(signalled == SIGSEGV && code == SEGV_ACCERR && address == page);
    CATCH((void)*(volatile char *)0x8000000000000000);
    CHECK(signalled == SIGSEGV && code == SI_KERNEL && address == NULL);
    CATCH(zero = 7 / zero);
    CHECK(signalled == SIGFPE && code == FPE_INTDIV && trap == 0);
    CATCH(__asm__ volatile("ud2"));
    CHECK(signalled == SIGILL && code == ILL_ILLOPN && trap == 6);
    CATCH(__asm__ volatile("int3"));
    CHECK(signalled == SIGTRAP && code == SI_KERNEL && trap == 3);

    /* The handler mends the cause, and the instruction runs again. */
    action.sa_sigaction = fix;
    sigaction(SIGSEGV, &action, NULL);
    page[4100] = 7;
    CHECK(fixed == SIGSEGV && page[4100] == 7);
    action.sa_sigaction = skip;
    sigaction(SIGILL, &action, NULL);
    fixed = 0;
    __asm__ volatile("ud2");
    CHECK(fixed == SIGILL);

    /* On an alternate stack, after the stack is used up. */
    static char room[65536];
    stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
    CHECK(sigaltstack(&stack, NULL) == 0);
    action.sa_sigaction = caught;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, NULL);
    signalled = 0;
    if (sigsetjmp(back, 1) == 0)
        __asm__ volatile("1: push %%rax\n jmp 1b" ::: "memory");
    CHECK(signalled == SIGSEGV && trap == 14);
    return 0;
}
