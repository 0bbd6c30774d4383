// linking: glibc musl
// Signals by way of a descriptor of a process: to the process itself and to a child.
#define _GNU_SOURCE
#include "check.h"
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int came, value;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    came = number;
    value = info->si_value.sival_int;
}

static int open_pid(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

static long send(int descriptor, int number, siginfo_t *info)
{
    return syscall(SYS_pidfd_send_signal, descriptor, number, info, 0);
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    int self = open_pid(getpid());
    CHECK(self >= 0 && send(self, 0, NULL) == 0);
    CHECK(send(self, SIGUSR1, NULL) == 0 && came == SIGUSR1);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = SIGUSR1;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = 77;
    came = 0;
    CHECK(send(self, SIGUSR1, &info) == 0 && came == SIGUSR1 && value == 77);
    info.si_signo = SIGUSR2;
    CHECK_ERRNO(send(self, SIGUSR1, &info), EINVAL);
    CHECK_ERRNO(send(self, 65, NULL), EINVAL);
    CHECK_ERRNO(send(self, SIGUSR1, (void *)8), EFAULT);
    CHECK_ERRNO(send(1, SIGUSR1, NULL), EBADF);
    CHECK_ERRNO(syscall(SYS_pidfd_send_signal, self, 0, NULL, 0x1000), EINVAL);
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    int other = open_pid(child), status = 0;
    CHECK(send(other, SIGSTOP, NULL) == 0);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    CHECK(send(other, SIGKILL, NULL) == 0 && send(other, SIGCONT, NULL) == 0);
    CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
    CHECK_ERRNO(send(other, 0, NULL), ESRCH);
    return 0;
}
