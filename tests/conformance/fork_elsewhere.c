// linking: glibc musl
// A child of a process that has left its root and its user behind.
#define _GNU_SOURCE
#include "check.h"
#include <grp.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    // Without privilege there is no other root to go to: then only the fork is seen.
    if (geteuid() == 0)
        CHECK(chroot(".") == 0 && setgroups(0, NULL) == 0 && setresuid(65534, 65534, 65534) == 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        char *object = malloc(100);
        object[99] = 1;
        free(object);
        _exit(7);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    return 0;
}
