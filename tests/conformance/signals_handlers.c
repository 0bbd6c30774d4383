// linking: glibc musl
// Handlers: frames, flags, masks, alternate stacks, jumps out, restarted and interrupted calls.
#define _GNU_SOURCE
#include "check.h"
#include <immintrin.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int seen, depth, deepest, code, value;
static volatile void *where;
static sigjmp_buf back;

static void count(int signal) { seen += signal; }

static void inform(int signal, siginfo_t *info, void *context) {
    ucontext_t *at = context;
    seen += signal;
    code = info->si_code;
    value = info->si_value.sival_int;
    where = (void *)at->uc_mcontext.gregs[REG_RIP];
    at->uc_mcontext.gregs[REG_RBX] ^= 0;
    /* The program's vector registers must survive this. */
    __asm__ volatile("pxor %%xmm0, %%xmm0\n pxor %%xmm15, %%xmm15\n xor %%r12d, %%r12d" ::
                         : "xmm0", "xmm15", "r12");
}

static void nest(int signal) {
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (depth < 3)
        raise(signal);
    depth--;
}

static void leave(int signal) { siglongjmp(back, signal); }

static char *alternate;
static volatile int on_alternate;
static void whereabouts(int signal) {
    char here;
    (void)signal;
    on_alternate = &here >= alternate && &here < alternate + 65536;
    stack_t now;
    if (sigaltstack(NULL, &now) == 0 && on_alternate)
        on_alternate += now.ss_flags == SS_ONSTACK;
}

static void set(int signal, void (*handler)(int), int flags) {
    struct sigaction action = {0};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(signal, &action, NULL);
}

static void timer(long microseconds) {
    struct itimerval once = {{0, 0}, {microseconds / 1000000, microseconds % 1000000}};
    setitimer(ITIMER_REAL, &once, NULL);
}

static int registers_survive(void) {
    uint64_t low = 0, r12 = 0, high = 0, after = 1;
    pid_t own = getpid();
    __asm__ volatile("mov $0x1122334455667788, %%r12\n movq %%r12, %%xmm0\n movq %%r12, %%xmm15\n"
                     "mov %%r12, -64(%%rsp)\n"
                     "mov $62, %%eax\n mov %4, %%edi\n mov $10, %%esi\n syscall\n"
                     "movq %%xmm0, %0\n movq %%xmm15, %2\n mov %%r12, %1\n mov -64(%%rsp), %3\n"
                     : "=&r"(low), "=&r"(r12), "=&r"(high), "=&r"(after)
                     : "r"(own)
                     : "rax", "rcx", "r11", "rdi", "rsi", "r12", "xmm0", "xmm15", "memory");
    return low == r12 && low == high && low == 0x1122334455667788 && after == low;
}

int main(void) {
    set(SIGUSR1, count, 0);
    CHECK(raise(SIGUSR1) == 0 && seen == SIGUSR1);
    CHECK(kill(getpid(), SIGUSR1) == 0 && seen == 2 * SIGUSR1);

    struct sigaction action = {0}, old;
    action.sa_sigaction = inform;
    action.sa_flags = SA_SIGINFO;
    CHECK(sigaction(SIGUSR1, &action, &old) == 0 && old.sa_handler == count);
    seen = 0;
    CHECK(registers_survive());
    CHECK(seen == SIGUSR1 && code == SI_USER && where != NULL);
    CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711}) == 0);
    CHECK(code == SI_QUEUE && value == 4711);

    /* Masks. */
    sigset_t block, pending, before;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    seen = 0;
    CHECK(sigprocmask(SIG_BLOCK, &block, &before) == 0 && !sigismember(&before, SIGUSR1));
    raise(SIGUSR1);
    CHECK(seen == 0 && sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    CHECK(sigprocmask(SIG_SETMASK, &before, NULL) == 0 && seen == SIGUSR1);
    seen = 0;
    sigprocmask(SIG_BLOCK, &block, NULL);
    raise(SIGUSR1);
    CHECK_ERRNO(sigsuspend(&before), EINTR);
    CHECK(seen == SIGUSR1 && sigprocmask(SIG_BLOCK, NULL, &pending) == 0);
    CHECK(sigismember(&pending, SIGUSR1));
    raise(SIGUSR1);
    siginfo_t info;
    CHECK(sigwaitinfo(&block, &info) == SIGUSR1 && info.si_signo == SIGUSR1);
    struct timespec brief = {0, 1000000};
    CHECK_ERRNO(sigtimedwait(&block, &info, &brief), EAGAIN);
    raise(SIGUSR1);
    seen = 0;
    CHECK_ERRNO(ppoll(NULL, 0, NULL, &before), EINTR);
    CHECK(seen == SIGUSR1);
    sigprocmask(SIG_SETMASK, &before, NULL);

    /* Flags. */
    set(SIGUSR2, nest, SA_NODEFER);
    raise(SIGUSR2);
    CHECK(deepest == 3);
    deepest = 0;
    set(SIGUSR2, count, SA_RESETHAND);
    seen = 0;
    raise(SIGUSR2);
    sigaction(SIGUSR2, NULL, &old);
    CHECK(seen == SIGUSR2 && old.sa_handler == SIG_DFL);
    set(SIGUSR2, SIG_IGN, 0);
    CHECK(raise(SIGUSR2) == 0);

    /* Jumps out of handlers, with the mask. */
    set(SIGUSR2, leave, 0);
    int jumps = 0;
    for (volatile int round = 0; round < 100; round++) {
        if (sigsetjmp(back, 1) == 0)
            raise(SIGUSR2);
        else
            jumps++;
    }
    CHECK(jumps == 100);
    sigprocmask(SIG_BLOCK, NULL, &pending);
    CHECK(!sigismember(&pending, SIGUSR2));

    /* The alternate stack. */
    alternate = malloc(65536);
    stack_t stack = {.ss_sp = alternate, .ss_size = 65536};
    CHECK(sigaltstack(&stack, NULL) == 0);
    set(SIGUSR2, whereabouts, SA_ONSTACK);
    raise(SIGUSR2);
    CHECK(on_alternate == 2);
    set(SIGUSR2, whereabouts, 0);
    raise(SIGUSR2);
    CHECK(on_alternate == 0);
    stack.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&stack, NULL) == 0);
    free(alternate);

    /* Waiting calls. */
    set(SIGALRM, count, 0);
    int ends[2];
    char byte = 0;
    CHECK(pipe(ends) == 0);
    timer(10000);
    CHECK_ERRNO(read(ends[0], &byte, 1), EINTR);
    set(SIGALRM, count, SA_RESTART);
    pid_t child = fork();
    if (child == 0) {
        usleep(60000);
        _exit(write(ends[1], "r", 1) != 1);
    }
    seen = 0;
    timer(10000);
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'r' && seen == SIGALRM);
    CHECK(waitpid(child, NULL, 0) == child);
    timer(10000);
    struct timespec nap = {0, 300000000}, left = {0, 0};
    CHECK_ERRNO(nanosleep(&nap, &left), EINTR);
    CHECK(left.tv_nsec > 0 && left.tv_nsec < 300000000);
    timer(10000);
    CHECK_ERRNO(poll(NULL, 0, 1000), EINTR);
    timer(10000);
    CHECK_ERRNO(pause(), EINTR);
    seen = 0;
    alarm(1);
    CHECK(alarm(0) == 1 && seen == 0);

    /* A write to a pipe that nobody reads. */
    close(ends[0]);
    set(SIGPIPE, count, 0);
    CHECK_ERRNO(write(ends[1], "x", 1), EPIPE);
    CHECK(seen == SIGPIPE);

    /* The end of a child. */
    set(SIGCHLD, count, SA_RESTART);
    seen = 0;
    child = fork();
    if (child == 0)
        _exit(5);
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
    CHECK(seen == SIGCHLD);
    child = fork();
    if (child == 0) {
        set(SIGTERM, SIG_DFL, 0);
        for (;;)
            pause();
    }
    CHECK(kill(child, SIGTERM) == 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    return 0;
}
