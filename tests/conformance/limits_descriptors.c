// linking: glibc musl
// A low limit on descriptors binds the program, and neither its children, its threads nor execve.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int status_of(pid_t child) {
    int status = -1;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void *opens(void *argument) {
    (void)argument;
    return (void *)(long)(open("/dev/null", O_RDONLY) == -1 ? errno : 0);
}

static int has(rlim_t soft, rlim_t hard) {
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == soft && limit.rlim_max == hard;
}

int main(int count, char **arguments) {
    (void)arguments;
    if (count > 1)
        return has(12, 20) && open("/dev/null", O_RDONLY) == -1 && errno == EMFILE ? 7 : 1;
    for (int i = 3; i < 64; i++)
        close(i);
    struct rlimit limit = {30, 20}, before;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
    limit.rlim_cur = 12;
    CHECK(prlimit(0, RLIMIT_NOFILE, &limit, NULL) == 0 && has(12, 20));
    int opened = 0;
    while (open("/dev/null", O_RDONLY) != -1)
        opened++;
    CHECK(errno == EMFILE && opened == 9);
    CHECK_ERRNO(dup2(0, 12), EBADF);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(has(12, 20) && opens(NULL) == (void *)EMFILE ? 5 : 1);
    CHECK(status_of(child) == 5);
    pthread_t thread;
    void *result = NULL;
    CHECK(pthread_create(&thread, NULL, opens, NULL) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == (void *)EMFILE);
    char *words[] = {"again", "x", NULL}, *none[] = {NULL}, own[4096] = "";
    CHECK(readlink("/proc/self/exe", own, sizeof own - 1) > 0);
    for (int shares = 0; shares < 2; shares++) {
        child = shares ? vfork() : fork();
        if (child == 0) {
            execve(own, words, none);
            _exit(2);
        }
        CHECK(status_of(child) == 7);
    }
    CHECK_ERRNO(execve("/nonexistent", words, none), ENOENT);
    CHECK(has(12, 20) && opens(NULL) == (void *)EMFILE);
    limit.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && has(0, 20));
    child = fork();
    if (child == 0)
        _exit(6);
    CHECK(status_of(child) == 6);
    limit.rlim_cur = 20;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && dup2(0, 19) == 19);
    CHECK_ERRNO(dup2(0, 20), EBADF);
    return 0;
}
