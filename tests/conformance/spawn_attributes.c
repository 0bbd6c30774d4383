// linking: glibc musl
// posix_spawn with every attribute and file action, and its errors.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int status_of(pid_t child) {
    int status = -1;
    return waitpid(child, &status, 0) == child ? status : -1;
}

static int spawn(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, char *what,
                 int *status) {
    char *words[] = {"spawned", what, NULL}, *none[] = {NULL};
    pid_t child;
    int error = posix_spawn(&child, "/proc/self/exe", actions, attributes, words, none);
    *status = error ? -1 : status_of(child);
    return error;
}

static int child(const char *what) {
    sigset_t mask;
    struct sigaction action;
    char text[64];
    switch (*what) {
    case 'g': return getpgrp() == getpid() ? 5 : 1;
    case 's': return getsid(0) == getpid() ? 5 : 1;
    case 'm':
        sigprocmask(SIG_BLOCK, NULL, &mask);
        return sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGUSR2) ? 5 : 1;
    case 'd':
        sigaction(SIGUSR1, NULL, &action);
        if (action.sa_handler != SIG_DFL)
            return 1;
        sigaction(SIGUSR2, NULL, &action);
        return action.sa_handler == SIG_IGN ? 5 : 2;
    case 'p': return sched_getscheduler(0) == SCHED_BATCH ? 5 : 1;
    case 'f':
        if (fcntl(9, F_GETFD) != -1 || read(7, text, sizeof text) != 5 || memcmp(text, "hello", 5))
            return 1;
        return write(8, "bye", 3) == 3 ? 5 : 2;
    case 'c': return getcwd(text, sizeof text) && strcmp(text, "/usr") == 0 ? 5 : 1;
    default: return 99;
    }
}

int main(int count, char **arguments) {
    if (count > 1)
        return child(arguments[1]);
    posix_spawnattr_t attributes;
    int status;
#define ATTRIBUTE(flag, set, what)                                                            \
    posix_spawnattr_init(&attributes);                                                        \
    CHECK(posix_spawnattr_setflags(&attributes, flag) == 0 && set == 0);                      \
    CHECK(spawn(NULL, &attributes, what, &status) == 0 && WIFEXITED(status) &&                \
          WEXITSTATUS(status) == 5);                                                          \
    posix_spawnattr_destroy(&attributes)
    ATTRIBUTE(POSIX_SPAWN_SETPGROUP, posix_spawnattr_setpgroup(&attributes, 0), "g");
    ATTRIBUTE(POSIX_SPAWN_SETSID, 0, "s");
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    ATTRIBUTE(POSIX_SPAWN_SETSIGMASK, posix_spawnattr_setsigmask(&attributes, &set), "m");
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    ATTRIBUTE(POSIX_SPAWN_SETSIGDEF, posix_spawnattr_setsigdefault(&attributes, &set), "d");
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
    ATTRIBUTE(POSIX_SPAWN_RESETIDS | POSIX_SPAWN_SETPGROUP, 0, "g");
    sigprocmask(SIG_BLOCK, NULL, &old);
    CHECK(!sigismember(&old, SIGUSR1));

    posix_spawn_file_actions_t actions;
    int in[2], out[2];
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    CHECK(dup2(in[0], 9) == 9 && write(in[1], "hello", 5) == 5);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, 9, 7);
    posix_spawn_file_actions_addclose(&actions, 9);
    posix_spawn_file_actions_adddup2(&actions, out[1], 8);
    posix_spawn_file_actions_addopen(&actions, 200, "/dev/null", O_RDWR, 0);
    CHECK(spawn(&actions, NULL, "f", &status) == 0 && WEXITSTATUS(status) == 5);
    char text[8];
    CHECK(read(out[0], text, sizeof text) == 3 && memcmp(text, "bye", 3) == 0);
    CHECK(fcntl(9, F_GETFD) == 0 && fcntl(200, F_GETFD) == -1);
    posix_spawn_file_actions_addopen(&actions, 6, "/nonexistent/file", O_RDONLY, 0);
    CHECK(spawn(&actions, NULL, "f", &status) == ENOENT);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, "/usr");
    CHECK(spawn(&actions, NULL, "c", &status) == 0 && WEXITSTATUS(status) == 5);
    posix_spawn_file_actions_destroy(&actions);
    CHECK(waitpid(-1, &status, 0) == -1 && errno == ECHILD);
    return 0;
}
