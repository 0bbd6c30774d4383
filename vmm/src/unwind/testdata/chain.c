// Walks its own stack with backtrace(), and writes what a second walk needs to do the same:
// "pc sp bp high image count", the callers that backtrace() found, then every word from sp to high.
#define _GNU_SOURCE
#include <alloca.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t stack_high(uint64_t sp) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned long low, high;
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx", &low, &high) == 2 && low <= sp && sp < high) {
            fclose(maps);
            return high;
        }
    abort();
}

extern const char __ehdr_start;
static int dumped;

__attribute__((noinline)) static void dump(void) {
    uint64_t pc, sp, bp;
    void *frames[64];
    if (dumped++)
        return;
    __asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2" : "=r"(pc), "=r"(sp), "=r"(bp));
    // frames[0] is this function; the walk from pc finds the others.
    int count = backtrace(frames, 64);
    uint64_t high = stack_high(sp);
    uint64_t image = (uint64_t)&__ehdr_start;
    uint64_t header[6] = {pc, sp, bp, high, image, (uint64_t)count - 1};
    if (write(1, header, sizeof header) < 0 || write(1, frames + 1, 8 * (count - 1)) < 0 ||
        write(1, (void *)sp, high - sp) < 0)
        abort();
}

__attribute__((noinline)) static int realigned(int n) {
    volatile char block[64] __attribute__((aligned(64)));
    block[n & 63] = (char)n;
    dump();
    return block[n & 31];
}

__attribute__((noinline)) static int variable(int n) {
    volatile char *room = alloca(64 + n * 8);
    room[n] = 1;
    int got = realigned(n);
    return got + room[n];
}

// Arguments on the stack, a realigned frame and alloca() together make the compiler keep the CFA in
// memory.
__attribute__((noinline)) static int indirect(int a, int b, int c, int d, int e, int f, int g, int h) {
    volatile char block[64] __attribute__((aligned(64)));
    volatile char *room = alloca(a * 8);
    block[b & 63] = (char)h;
    room[0] = (char)g;
    int got = variable(c + d + e + f);
    return got + block[a & 31] + room[0];
}

__attribute__((noinline)) static int recursive(int n) {
    volatile char big[70000];
    big[n] = 3;
    return n ? recursive(n - 1) + big[n] : indirect(9, 8, 1, 1, 1, 2, 7, 6) + big[n];
}

static int compare(const void *a, const void *b) {
    int got = recursive(3);
    return (*(const int *)a > *(const int *)b) + (got & 0);
}

__attribute__((noinline)) static void sorted(void) {
    int numbers[2] = {2, 1};
    qsort(numbers, 2, sizeof *numbers, compare);
}

static void handler(int signal) {
    (void)signal;
    sorted();
}

static void *thread(void *argument) {
    raise(SIGUSR1);
    return argument;
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    pthread_t id;
    switch (argv[argc - 1][0]) {
    case 'c': sorted(); break;
    case 's': raise(SIGUSR1); break;
    case 't':
        pthread_create(&id, NULL, thread, NULL);
        pthread_join(id, NULL);
        break;
    }
    return 0;
}
