// linking: glibc musl
// A process that has left its user behind becomes another program.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int count, char **arguments)
{
    if (count > 1) {
        char *object = malloc(100);
        object[99] = 1;
        free(object);
        CHECK(!strcmp(arguments[1], "privileged") ? getuid() == 65534 : 1);
        return 7;
    }
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(self >= 0);
    // Without privilege nobody else can be become: then only the other program is seen.
    int privileged = geteuid() == 0;
    if (privileged)
        CHECK(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    char *again[] = { arguments[0], privileged ? "privileged" : "alone", NULL };
    for (int generation = 0; generation < 2; generation++) {
        fflush(stdout);
        pid_t child = generation == 0 ? fork() : vfork();
        if (child == 0) {
            fexecve(self, again, environ);
            _exit(1);
        }
        int status = 0;
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    }
    return 0;
}
