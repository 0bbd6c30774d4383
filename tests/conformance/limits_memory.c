// linking: glibc
// Limits on the address space, mappings that grow downwards, and mremap that leaves its old range.
#define _GNU_SOURCE
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum { MIB = 1 << 20, RIGHTS = PROT_READ | PROT_WRITE, PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS };

/* What `run` returns, in a child: limits stay. */
static int in_child(int (*run)(void)) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(run());
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int limit(int which, rlim_t bytes) {
    struct rlimit limit = {bytes, bytes};
    return setrlimit(which, &limit);
}

/* Mebibytes that malloc gives, up to 400. */
static int mebibytes(void) {
    int count = 0;
    while (count < 400) {
        char *object = malloc(4 * MIB);
        if (!object)
            break;
        object[0] = 1;
        count += 4;
    }
    return count;
}

static int address_space(void) {
    if (limit(RLIMIT_AS, 256 * MIB))
        return 1;
    if (mmap(NULL, 300 * MIB, PROT_READ, PRIVATE, -1, 0) != MAP_FAILED || errno != ENOMEM)
        return 2;
    char *some = mmap(NULL, 16 * MIB, RIGHTS, PRIVATE, -1, 0);
    if (some == MAP_FAILED)
        return 3;
    if (mremap(some, 16 * MIB, 512 * MIB, MREMAP_MAYMOVE) != MAP_FAILED || errno != ENOMEM)
        return 4;
    if (munmap(some, 16 * MIB))
        return 5;
    void *at = sbrk(0);
    if (sbrk(300 * MIB) != (void *)-1 || sbrk(0) != at)
        return 6;
    int count = mebibytes();
    if (count < 128 || count > 255)
        return 7;
    return malloc(64 * MIB) == NULL ? 0 : 8;
}

static int data(void) {
    char *later = mmap(NULL, 200 * MIB, PROT_READ, PRIVATE, -1, 0);
    if (later == MAP_FAILED || limit(RLIMIT_DATA, 128 * MIB))
        return 1;
    if (mmap(NULL, 200 * MIB, RIGHTS, PRIVATE, -1, 0) != MAP_FAILED || errno != ENOMEM)
        return 2;
    if (mmap(NULL, 200 * MIB, PROT_READ, PRIVATE, -1, 0) == MAP_FAILED)
        return 3;
    if (mprotect(later, 200 * MIB, RIGHTS) != -1 || errno != ENOMEM)
        return 4;
    if (mprotect(later, MIB, RIGHTS))
        return 5;
    int count = mebibytes();
    return count >= 64 && count < 128 ? 0 : 6;
}

static volatile char *touched;
static sigjmp_buf out;

static void leave(int signal) {
    (void)signal;
    siglongjmp(out, 1);
}

/* Whether a byte can be written. */
static int writable(volatile char *at) {
    touched = at;
    if (sigsetjmp(out, 1))
        return 0;
    *touched = 1;
    return 1;
}

static int deep(int levels) {
    volatile char frame[32768];
    frame[100] = 1;
    return levels ? deep(levels - 1) + frame[100] - 1 : 0;
}

/* The stack grows beyond the limit that the program was started with once that is raised. */
static int raised(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 32 * MIB;
    if (setrlimit(RLIMIT_STACK, &limit))
        return 1;
    return deep(24 * 32);
}

/* What another program finds that was started under limits. */
static int inherited(void) {
    struct rlimit all, stack;
    getrlimit(RLIMIT_AS, &all);
    getrlimit(RLIMIT_STACK, &stack);
    if (all.rlim_cur != 512 * MIB || all.rlim_max != 512 * MIB || stack.rlim_cur != 20 * MIB)
        return 1;
    if (mmap(NULL, 600 * MIB, PROT_READ, PRIVATE, -1, 0) != MAP_FAILED || errno != ENOMEM)
        return 2;
    return deep(16 * 32);
}

static int limited(void) {
    struct rlimit stack;
    getrlimit(RLIMIT_STACK, &stack);
    stack.rlim_cur = 20 * MIB;
    if (limit(RLIMIT_AS, 512 * MIB) || setrlimit(RLIMIT_STACK, &stack))
        return 3;
    char *words[] = {"limits", "inherited", NULL};
    execv("/proc/self/exe", words);
    return 4;
}

int main(int count, char **words) {
    (void)words;
    if (count > 1)
        return inherited();
    CHECK(in_child(limited) == 0);
    CHECK(in_child(address_space) == 0);
    CHECK(in_child(data) == 0);
    CHECK(in_child(raised) == 0);

    struct sigaction action = {.sa_handler = leave};
    sigaction(SIGSEGV, &action, NULL);
    char *room = mmap(NULL, 16 * MIB, PROT_NONE, PRIVATE | MAP_NORESERVE, -1, 0);
    CHECK(room != MAP_FAILED && munmap(room, 16 * MIB) == 0);
    char *stack = mmap(room + 15 * MIB, MIB, RIGHTS, PRIVATE | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
    CHECK(stack == room + 15 * MIB);
    CHECK(writable(stack - 1) && writable(stack - 3 * MIB) && stack[-2 * MIB] == 0);
    CHECK(munmap(stack - MIB, 2 * MIB) == 0 && writable(stack - 2 * MIB));
    CHECK(!writable(stack));

    char *old = mmap(NULL, MIB, RIGHTS, PRIVATE, -1, 0);
    memset(old, 7, MIB);
    char *moved = mremap(old, MIB, MIB, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    CHECK(moved != MAP_FAILED && moved != old && moved[0] == 7 && moved[MIB - 1] == 7);
    CHECK(old[0] == 0 && old[MIB - 1] == 0 && writable(old + 4096) && moved[4096] == 7);
    CHECK_ERRNO((long)mremap(old, MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL), EINVAL);
    CHECK_ERRNO((long)mremap(old, MIB, MIB, MREMAP_DONTUNMAP, NULL), EINVAL);
    CHECK(munmap(old, MIB) == 0 && munmap(moved, MIB) == 0);
    return 0;
}
