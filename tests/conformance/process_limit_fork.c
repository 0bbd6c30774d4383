// linking: glibc
// A tight limit on processes: fork fails, or makes a child that ends. What runs the program may want
// a thread of its own for the child and not get it: then the child ends with status 125, and its
// parent goes on.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { USER = 64123, MOST = 8, CHILD = 7, NONE = 11 };

static int status_of(pid_t child) {
    int status = -1;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A user's process under the limit makes another.
static int under(rlim_t processes) {
    struct rlimit limit = {processes, processes};
    if (setrlimit(RLIMIT_NPROC, &limit))
        return 1;
    if (geteuid() == 0 && (setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER)))
        return 2;
    pid_t child = fork();
    if (child < 0)
        return errno == EAGAIN ? NONE : 3;
    if (child == 0)
        _exit(CHILD);
    return status_of(child);
}

int main(int count, char **arguments) {
    // Begins anew with nowhere to write errors to, for those of the children.
    if (count == 1) {
        char *words[] = {arguments[0], "quiet", NULL};
        int quiet = open("/dev/null", O_WRONLY);
        return dup2(quiet, 2) == 2 ? execv("/proc/self/exe", words) : 1;
    }
    int last = 0;
    for (rlim_t processes = 1; processes <= MOST; processes++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            _exit(under(processes));
        last = status_of(child);
        CHECK(last == CHILD || last == NONE || last == 125);
    }
    // Where the user is new to the machine eight are enough.
    CHECK(geteuid() != 0 || last == CHILD);
    return 0;
}
