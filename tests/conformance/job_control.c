// linking: glibc musl
// A terminal of its own: stops and continuations, background reads, keys, sizes, hang-up.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t seen[65], code_of_child, status_of_child, children;
static void note(int signal) { seen[signal]++; }
static void child_changed(int signal, siginfo_t *info, void *context) {
    (void)context;
    seen[signal]++;
    children++;
    code_of_child = info->si_code;
    status_of_child = info->si_status;
}

static int report;
static void say(int good, const char *what) {
    char line[100];
    int length = snprintf(line, sizeof line, "%s %s\n", good ? "ok  " : "FAIL", what);
    if (write(report, line, length) != length)
        _exit(99);
}

static void handle(int signal, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(signal, &action, NULL);
}

static void *spins(void *argument) {
    for (;;)
        ++*(volatile long *)argument;
}

/* Leader of the session on the terminal: a shell of sorts. */
static int shell(int terminal) {
    char byte;
    int status;
    siginfo_t info;
    pid_t job;
    say(tcgetpgrp(terminal) == getpid() && tcgetsid(terminal) == getpid(), "the session's terminal");
    struct sigaction action = {.sa_sigaction = child_changed, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGCHLD, &action, NULL);
    signal(SIGTTOU, SIG_IGN);

    /* A job in the background that reads the terminal is stopped. */
    job = fork();
    if (job == 0) {
        setpgid(0, 0);
        signal(SIGTTOU, SIG_DFL);
        _exit(read(terminal, &byte, 1) == 1 && byte == '\n' ? 3 : 4);
    }
    setpgid(job, job);
    say(waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN,
        "a background read stops");
    say(children == 1 && code_of_child == CLD_STOPPED && status_of_child == SIGTTIN, "SIGCHLD of a stop");
    /* In the foreground it goes on. */
    say(tcsetpgrp(terminal, job) == 0 && kill(-job, SIGCONT) == 0, "into the foreground");
    memset(&info, 0, sizeof info);
    say(waitid(P_PID, job, &info, WCONTINUED) == 0 && info.si_code == CLD_CONTINUED, "continued");
    say(write(report, "KEY:\n", 5) == 5, "asks for a line");
    say(waitpid(job, &status, WUNTRACED) == job && WIFEXITED(status) && WEXITSTATUS(status) == 3,
        "it has read");
    say(tcsetpgrp(terminal, getpid()) == 0, "back");

    /* Writing from the background, with TOSTOP. */
    struct termios mode;
    tcgetattr(terminal, &mode);
    mode.c_lflag |= TOSTOP;
    tcsetattr(terminal, TCSANOW, &mode);
    job = fork();
    if (job == 0) {
        setpgid(0, 0);
        signal(SIGTTOU, SIG_DFL);
        _exit(write(terminal, "w", 1) == 1 ? 5 : 6);
    }
    setpgid(job, job);
    memset(&info, 0, sizeof info);
    say(waitid(P_PGID, job, &info, WSTOPPED) == 0 && info.si_code == CLD_STOPPED &&
            info.si_status == SIGTTOU,
        "a background write stops");
    tcsetpgrp(terminal, job);
    kill(-job, SIGCONT);
    say(waitpid(job, &status, 0) == job && WEXITSTATUS(status) == 5, "it has written");
    tcsetpgrp(terminal, getpid());

    /* The suspend, interrupt and quit keys, at a job of several threads. */
    job = fork();
    if (job == 0) {
        setpgid(0, 0);
        tcsetpgrp(terminal, getpid());
        static long counts[2];
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            pthread_create(&threads[i], NULL, spins, &counts[i]);
        if (write(report, "SUSPEND:\n", 9) != 9)
            _exit(1);
        for (;;)
            pause();
    }
    setpgid(job, job);
    say(waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP,
        "the suspend key stops threads");
    kill(-job, SIGCONT);
    say(waitpid(job, &status, WCONTINUED) == job && WIFCONTINUED(status), "WIFCONTINUED");
    say(write(report, "INTERRUPT:\n", 11) == 11, "asks for the key");
    say(waitpid(job, &status, 0) == job && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT,
        "the interrupt key kills");

    /* A handler of SIGTSTP that stops itself, and one of SIGCONT. */
    int told[2];
    if (pipe(told))
        return 1;
    job = fork();
    if (job == 0) {
        setpgid(0, 0);
        tcsetpgrp(terminal, getpid());
        handle(SIGTSTP, note, 0);
        handle(SIGCONT, note, 0);
        if (write(report, "SUSPEND:\n", 9) != 9)
            _exit(1);
        while (!seen[SIGTSTP])
            usleep(1000);
        raise(SIGSTOP);
        while (!seen[SIGCONT])
            usleep(1000);
        _exit(seen[SIGTSTP] + 10 * seen[SIGCONT]);
    }
    setpgid(job, job);
    say(waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP,
        "stops itself");
    kill(job, SIGCONT);
    say(waitpid(job, &status, 0) == job && WEXITSTATUS(status) == 11, "both handlers ran once");
    tcsetpgrp(terminal, getpid());

    /* No SIGCHLD for stops with SA_NOCLDSTOP. */
    action.sa_flags |= SA_NOCLDSTOP;
    sigaction(SIGCHLD, &action, NULL);
    children = 0;
    job = fork();
    if (job == 0) {
        raise(SIGSTOP);
        _exit(7);
    }
    say(waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status) && children == 0, "SA_NOCLDSTOP");
    kill(job, SIGCONT);
    say(waitpid(job, &status, 0) == job && WEXITSTATUS(status) == 7 && children == 1, "the end is told");
    /* No zombies with SA_NOCLDWAIT. */
    action.sa_flags |= SA_NOCLDWAIT;
    sigaction(SIGCHLD, &action, NULL);
    job = fork();
    if (job == 0)
        _exit(8);
    say(waitpid(job, &status, 0) == -1 && errno == ECHILD, "SA_NOCLDWAIT");
    signal(SIGCHLD, SIG_DFL);

    handle(SIGWINCH, note, SA_RESTART);
    struct winsize size = {.ws_row = 40, .ws_col = 90};
    say(ioctl(terminal, TIOCSWINSZ, &size) == 0 && seen[SIGWINCH] == 1, "SIGWINCH");
    handle(SIGHUP, note, 0);
    say(write(report, "HANGUP:\n", 8) == 8, "asks to hang up");
    while (!seen[SIGHUP])
        usleep(1000);
    say(read(terminal, &byte, 1) == 0 || errno == EIO, "the terminal is gone");
    return 21;
}

int main(void) {
    /* Who starts this in the background may have them ignored. */
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int ends[2];
    CHECK(pipe(ends) == 0);
    fflush(stdout);
    pid_t leader = fork();
    if (leader == 0) {
        close(ends[0]);
        report = ends[1];
        if (setsid() != getpid())
            _exit(90);
        int terminal = open(ptsname(master), O_RDWR);
        if (terminal < 0)
            _exit(91);
        ioctl(terminal, TIOCSCTTY, 0);
        close(master);
        _exit(shell(terminal));
    }
    close(ends[1]);
    FILE *lines = fdopen(ends[0], "r");
    char line[200];
    while (fgets(line, sizeof line, lines)) {
        if (strcmp(line, "KEY:\n") == 0)
            CHECK(write(master, "\n", 1) == 1);
        else if (strcmp(line, "SUSPEND:\n") == 0)
            CHECK(write(master, "\032", 1) == 1);
        else if (strcmp(line, "INTERRUPT:\n") == 0)
            CHECK(write(master, "\003", 1) == 1);
        else if (strcmp(line, "HANGUP:\n") == 0)
            CHECK(close(master) == 0);
        else
            fputs(line, stdout);
    }
    int status;
    CHECK(waitpid(leader, &status, 0) == leader && WIFEXITED(status) && WEXITSTATUS(status) == 21);
    return 0;
}
