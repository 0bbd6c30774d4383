// linking: glibc
// A program that allows its user no more processes: it makes none, and goes on allocating.
#include "check.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t alarms;

static void count(int signal)
{
    (void)signal;
    alarms++;
}

int main(void)
{
    /* The limit does not bind the superuser. */
    if (getuid() == 0)
        CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    struct rlimit none = {0, 0}, now;
    CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
    CHECK(getrlimit(RLIMIT_NPROC, &now) == 0 && now.rlim_cur == 0 && now.rlim_max == 0);
    CHECK_ERRNO(setrlimit(RLIMIT_NPROC, &(struct rlimit){1, 1}), EPERM);

    struct sigaction action = {.sa_handler = count};
    struct itimerval often = {{0, 2000}, {0, 2000}};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
    /* Enough that freed memory waits, and that signals find the program allocating. */
    for (int round = 0; round < 100000 || alarms < 10; round++) {
        char *object = malloc(16 + round % 500);
        if (object == NULL)
            abort();
        object[0] = 1;
        free(object);
    }
    CHECK(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL) == 0);
    CHECK_ERRNO(fork(), EAGAIN);
    return 0;
}
