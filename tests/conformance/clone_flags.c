// linking: glibc musl
// Children with other signals, parents, folders and namespaces than fork's.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __WALL
#define __WALL 0x40000000
#endif
#ifndef __WCLONE
#define __WCLONE 0x80000000
#endif

struct arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

static volatile int heard, sender;
static char stack[64 << 10] __attribute__((aligned(16)));
static int ends[2];

static void hear(int signal, siginfo_t *info, void *context)
{
    (void)context;
    heard = signal;
    sender = info->si_pid;
}

static pid_t make(unsigned long flags)
{
    fflush(stdout);
    return syscall(SYS_clone, flags, 0L, 0L, 0L, 0L);
}

/* Uses the heap, and ends. */
static void end(int status)
{
    char *object = malloc(300);
    memset(object, 1, 300);
    free(object);
    _exit(status);
}

static int status_of(pid_t child, int options)
{
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, options) == child);
    return status;
}

static int descriptors(void)
{
    int count = 0;
    for (int number = 0; number < 2000; number++)
        count += fcntl(number, F_GETFD) >= 0;
    return count;
}

static void signals(void)
{
    int status;
    pid_t child = make(0);
    if (child == 0)
        end(3);
    CHECK_ERRNO(waitpid(child, &status, 0), ECHILD);
    CHECK_ERRNO(waitpid(-1, &status, WNOHANG), ECHILD);
    CHECK(WEXITSTATUS(status_of(child, __WALL)) == 3);
    struct sigaction action = {.sa_sigaction = hear, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGRTMIN + 2, &action, NULL) == 0);
    for (int which = 0; which < 2; which++) {
        int wanted = which ? SIGRTMIN + 2 : SIGUSR1;
        heard = 0;
        child = make(wanted);
        if (child == 0)
            end(4);
        status = status_of(child, __WCLONE);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
        CHECK(heard == wanted && sender == child);
    }
    child = make(SIGUSR1);
    if (child == 0)
        kill(getpid(), SIGKILL);
    status = status_of(child, __WALL);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void relations(void)
{
    pid_t family = getpid(), child, grandchild = 0;
    CHECK(pipe(ends) == 0);
    child = make(SIGCHLD);
    if (child == 0) {
        grandchild = make(CLONE_PARENT | SIGCHLD);
        if (grandchild == 0)
            end(getppid() == family ? 6 : 7);
        if (write(ends[1], &grandchild, sizeof grandchild) != sizeof grandchild)
            _exit(9);
        end(5);
    }
    CHECK(WEXITSTATUS(status_of(child, 0)) == 5);
    CHECK(read(ends[0], &grandchild, sizeof grandchild) == sizeof grandchild);
    CHECK(WEXITSTATUS(status_of(grandchild, 0)) == 6);
    close(ends[0]);
    close(ends[1]);

    /* The parent stands still, and has memory of its own. */
    CHECK(pipe2(ends, O_NONBLOCK) == 0);
    volatile int shared = 1;
    char byte = 0;
    child = make(CLONE_VFORK | SIGCHLD);
    if (child == 0) {
        shared = 2;
        usleep(20000);
        end(write(ends[1], "x", 1) == 1 ? 8 : 9);
    }
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x' && shared == 1);
    CHECK(WEXITSTATUS(status_of(child, 0)) == 8);
}

static void folders(void)
{
    char before[4096], after[4096];
    CHECK(getcwd(before, sizeof before) != NULL);
    mode_t mask = umask(022);
    pid_t child = make(CLONE_FS | SIGCHLD);
    if (child == 0) {
        umask(077);
        end(chdir("/proc"));
    }
    CHECK(status_of(child, 0) == 0);
    CHECK(getcwd(after, sizeof after) != NULL && !strcmp(after, "/proc"));
    CHECK(umask(mask) == 077);
    CHECK(chdir(before) == 0);
    child = make(SIGCHLD);
    if (child == 0)
        end(chdir("/proc"));
    CHECK(status_of(child, 0) == 0);
    CHECK(getcwd(after, sizeof after) != NULL && !strcmp(after, before));
}

static int in_memory(void *argument)
{
    if (argument) {
        char *arguments[] = {"/bin/true", NULL}, *none[] = {NULL};
        execve(arguments[0], arguments, none);
        _exit(9);
    }
    _exit(dup2(0, 77) == 77 && chdir("/proc") == 0 ? 0 : 1);
}

static void shared_tables(void)
{
    char before[4096], after[4096];
    CHECK(getcwd(before, sizeof before) != NULL);
    int open_before = descriptors(), flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_FS | SIGCHLD;
    fflush(stdout);
    CHECK(status_of(clone(in_memory, stack + sizeof stack, flags, NULL), 0) == 0);
    CHECK(fcntl(77, F_GETFD) == 0 && close(77) == 0);
    CHECK(getcwd(after, sizeof after) != NULL && !strcmp(after, "/proc") && chdir(before) == 0);
    fflush(stdout);
    CHECK(status_of(clone(in_memory, stack + sizeof stack, flags, ""), 0) == 0);
    CHECK(descriptors() == open_before);
    CHECK(pipe(ends) == 0 && ends[0] < 20 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

/* What the host does not allow it does not allow natively either. */
static void namespaces(void)
{
    char name[65], other[65];
    int status;
    CHECK(gethostname(name, sizeof name) == 0);
    pid_t child = make(CLONE_NEWUTS | SIGCHLD);
    if (child == 0)
        end(sethostname("elsewhere", 9) != 0 || gethostname(other, sizeof other) != 0 || strcmp(other, "elsewhere"));
    CHECK(child > 0 || errno == EPERM);
    if (child > 0)
        CHECK(status_of(child, 0) == 0);
    CHECK(gethostname(other, sizeof other) == 0 && !strcmp(name, other));
    child = make(CLONE_NEWPID | CLONE_NEWIPC | SIGCHLD);
    if (child == 0) {
        pid_t next = fork();
        if (next == 0)
            end(getpid() < 10 && getppid() == 1 ? 4 : 5);
        end(next > 1 && next < 10 && waitpid(next, &status, 0) == next && WEXITSTATUS(status) == 4 && getpid() == 1 ? 0 : 1);
    }
    CHECK(child > 0 || errno == EPERM);
    if (child > 0)
        CHECK(status_of(child, 0) == 0);
    child = make(CLONE_NEWUSER | SIGCHLD);
    if (child == 0)
        end(getuid() == 65534 ? 0 : 1);
    CHECK(child > 0 || errno == EPERM || errno == ENOSPC);
    if (child > 0)
        CHECK(status_of(child, 0) == 0);
    CHECK_ERRNO(make(CLONE_NEWNS | CLONE_FS | SIGCHLD), EINVAL);
    CHECK_ERRNO(make(CLONE_NEWUSER | CLONE_FS | SIGCHLD), EINVAL);
    /* What is of the parent's memory while it stands still. */
    child = clone(in_memory, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_NEWUTS | SIGCHLD, NULL);
    CHECK(child > 0 || errno == EPERM);
    if (child > 0)
        CHECK(status_of(child, 0) == 0);
    CHECK_ERRNO(fcntl(77, F_GETFD), EBADF);
}

static void handlers(void)
{
    struct arguments arguments = {.flags = 1ULL << 32, .exit_signal = SIGCHLD};
    struct sigaction now;
    CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    fflush(stdout);
    pid_t child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0) {
        int gone = sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == SIG_DFL;
        int stays = sigaction(SIGUSR2, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
        if (!gone || !stays)
            end(1);
        kill(getpid(), SIGUSR2);
        kill(getpid(), SIGUSR1);
        end(2);
    }
    int status = status_of(child, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_sigaction == hear);
}

int main(void)
{
    signals();
    relations();
    folders();
    shared_tables();
    namespaces();
    handlers();
    return 0;
}
