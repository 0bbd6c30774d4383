// linking: glibc pie musl
// Child processes: what they share with their parent and what they do not, and how they end.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int status_of(pid_t child) {
    int status = -1;
    if (waitpid(child, &status, 0) != child)
        return -1;
    return status;
}

static int global = 1;

static int tree(int depth) {
    if (depth == 0)
        return 1;
    int sum = 1;
    pid_t children[2];
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(tree(depth - 1));
    }
    for (int i = 0; i < 2; i++)
        sum += WEXITSTATUS(status_of(children[i]));
    return sum;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    pid_t parent = getpid();

    /* The heap: each side has its own, both work on. */
    char *blocks[200];
    for (int i = 0; i < 200; i++) {
        blocks[i] = malloc(16 + 40 * i);
        memset(blocks[i], i, 16 + 40 * i);
    }
    pid_t child = fork();
    if (child == 0) {
        int good = getppid() == parent && getpid() != parent && global == 1;
        global = 2;
        for (int i = 0; i < 200; i++) {
            good &= blocks[i][15] == (char)i;
            memset(blocks[i], 0xee, 16 + 40 * i);
            if (i % 2)
                free(blocks[i]);
        }
        for (int i = 1; i < 200; i += 2) {
            blocks[i] = malloc(16 + 40 * i);
            memset(blocks[i], 0x55, 16 + 40 * i);
        }
        for (int i = 0; i < 200; i++)
            free(blocks[i]);
        _exit(good ? 42 : 1);
    }
    for (int i = 1; i < 200; i += 2) {
        free(blocks[i]);
        blocks[i] = malloc(16 + 40 * i);
        memset(blocks[i], i, 16 + 40 * i);
    }
    int status = status_of(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    CHECK(global == 1);
    int good = 1;
    for (int i = 0; i < 200; i++) {
        good &= blocks[i][0] == (char)i && blocks[i][15 + 40 * i] == (char)i;
        free(blocks[i]);
    }
    CHECK(good);

    /* Shared memory is shared, private is not. */
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int *private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *shared = *private = 1;
    child = fork();
    if (child == 0) {
        *shared = *private = 2;
        void *more = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(more, 1, 1 << 20);
        munmap(private, 4096);
        _exit(0);
    }
    CHECK(status_of(child) == 0);
    CHECK(*shared == 2);
    CHECK(*private == 1);

    /* Descriptors are shared with their offsets, and pipes connect. */
    int ends[2];
    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        close(ends[0]);
        for (int i = 0; i < 1000; i++)
            if (write(ends[1], "0123456789", 10) != 10)
                _exit(1);
        _exit(0);
    }
    close(ends[1]);
    char buffer[512];
    long total = 0, got;
    while ((got = read(ends[0], buffer, sizeof buffer)) > 0)
        total += got;
    close(ends[0]);
    CHECK(total == 10000);
    CHECK(status_of(child) == 0);

    /* Death by a signal is one. */
    int fatal[] = {SIGKILL, SIGTERM, SIGABRT, SIGUSR1};
    for (unsigned i = 0; i < sizeof fatal / sizeof *fatal; i++) {
        child = fork();
        if (child == 0) {
            raise(fatal[i]);
            _exit(1);
        }
        status = status_of(child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == fatal[i]);
    }
    child = fork();
    if (child == 0) {
        *(volatile int *)16 = 1;
        _exit(1);
    }
    status = status_of(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    CHECK(kill(child, SIGKILL) == 0);
    status = status_of(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    child = fork();
    if (child == 0)
        for (volatile int spin = 0;; spin++)
            ;
    usleep(20000);
    CHECK(kill(child, SIGTERM) == 0);
    status = status_of(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);

    /* A tree of processes. */
    CHECK(tree(4) == 31);

    /* clone with the flags of fork, and with ids to store. */
    int parent_tid = 0, child_tid = 0;
    int pidfd = -1;
    child = syscall(SYS_clone, SIGCHLD | CLONE_CHILD_SETTID | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
                    0, &parent_tid, &child_tid, 0);
    if (child == 0)
        _exit(child_tid == getpid() ? 0 : 1);
    CHECK(parent_tid == child && child_tid == 0);
    CHECK(status_of(child) == 0);
    child = syscall(SYS_clone, SIGCHLD | CLONE_PIDFD, 0, &pidfd, 0, 0);
    if (child == 0)
        _exit(3);
    CHECK(pidfd > 2 && fcntl(pidfd, F_GETFD) == FD_CLOEXEC);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    CHECK(waitid(3 /* P_PIDFD */, pidfd, &info, WEXITED) == 0);
    CHECK(info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == 3);
    close(pidfd);
    CHECK_ERRNO(syscall(SYS_clone, SIGCHLD | CLONE_THREAD, 0, 0, 0, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_clone, SIGCHLD | CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_clone3, (void *)0, 8L), EINVAL);
    CHECK_ERRNO(syscall(SYS_clone3, (void *)0, 5000L), E2BIG);
    CHECK_ERRNO(syscall(SYS_clone3, (void *)16, 64L), EFAULT);

    /* Waiting. */
    CHECK_ERRNO(waitpid(-1, &status, 0), ECHILD);
    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        close(ends[1]);
        if (read(ends[0], buffer, 1) != 0)
            _exit(1);
        _exit(5);
    }
    CHECK(waitpid(child, &status, WNOHANG) == 0);
    close(ends[1]);
    memset(&info, 0, sizeof info);
    CHECK(waitid(P_PID, child, &info, WEXITED | WNOWAIT) == 0 && info.si_status == 5);
    struct rusage usage;
    CHECK(wait4(child, &status, 0, &usage) == child && WEXITSTATUS(status) == 5);
    close(ends[0]);

    /* Process groups and sessions. */
    child = fork();
    if (child == 0) {
        int fine = setpgid(0, 0) == 0 && getpgrp() == getpid();
        pid_t grandchild = fork();
        if (grandchild == 0)
            _exit(setsid() == getpid() && getsid(0) == getpid() ? 0 : 1);
        fine &= status_of(grandchild) == 0;
        _exit(fine ? 0 : 1);
    }
    CHECK(status_of(child) == 0);
    puts("end");
    return 0;
}
