// linking: glibc musl
// env: MAIN=1
// execve and signals: handlers are gone, what is ignored and blocked stays, what is pending too.
#define _GNU_SOURCE
#include "check.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void handle(int signal) { (void)signal; }

static int show(void) {
    static const int shown[] = {SIGUSR1, SIGUSR2, SIGPIPE, SIGHUP, SIGCHLD, SIGSTKFLT};
    for (unsigned i = 0; i < sizeof shown / sizeof *shown; i++) {
        struct sigaction action;
        sigaction(shown[i], NULL, &action);
        sigset_t blocked, pending;
        sigprocmask(SIG_SETMASK, NULL, &blocked);
        sigpending(&pending);
        printf("  %d: %s%s%s\n", shown[i],
               action.sa_handler == SIG_IGN ? "ignored" : action.sa_handler == SIG_DFL ? "default" : "handled",
               sigismember(&blocked, shown[i]) ? ", blocked" : "",
               sigismember(&pending, shown[i]) ? ", pending" : "");
    }
    return 21;
}

static int run(void) {
    pid_t child = fork();
    if (child == 0) {
        if (sigismember(&(sigset_t){{0}}, 1) == 0)
            raise(SIGHUP);
        char *words[] = {"again", NULL}, *none[] = {NULL};
        execve("/proc/self/exe", words, none);
        _exit(200);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getenv("MAIN") == NULL)
        return show();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    CHECK(run() == 21);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, handle);
    signal(SIGPIPE, SIG_IGN);
    CHECK(run() == 21);
    signal(SIGPIPE, handle);
    CHECK(run() == 21);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
    CHECK(run() == 21);
    return 0;
}
