// linking: glibc dynamic
// flags: -pthread
// What a program gives up by seccomp: strict mode, filters and every answer of theirs, what the kernel
// takes for a filter, and who inherits them.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

extern char **environ;

#define NUMBER offsetof(struct seccomp_data, nr)
#define ARGUMENT(n) offsetof(struct seccomp_data, args[n])
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, value)
/* Goes on with the next line if the number is this, past it if not. */
#define IF(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1)

static long seccomp(unsigned op, unsigned flags, void *arguments)
{
    return syscall(SYS_seccomp, op, flags, arguments);
}

static long install(struct sock_filter *filter, size_t count, unsigned flags)
{
    struct sock_fprog program = {.len = (unsigned short)count, .filter = filter};
    return seccomp(SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* A filter that answers so about one call, and allows the others. */
static long give_up(int number, unsigned answer, unsigned flags)
{
    struct sock_filter filter[] = {
        LOAD(NUMBER), IF(number), ANSWER(answer), ANSWER(SECCOMP_RET_ALLOW)};
    return install(filter, 4, flags);
}

static int mode(void) { return prctl(PR_GET_SECCOMP, 0, 0, 0, 0); }

/* A line of /proc/self/status, as a number. */
static int status_line(const char *name)
{
    char line[256];
    int value = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            value = atoi(line + strlen(name) + 1);
    if (file)
        fclose(file);
    return value;
}

/* How a child that does this ends. */
static int child(void (*body)(void))
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        body();
        fflush(stdout);
        _exit(99);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

#define DIES(status, number) (WIFSIGNALED(status) && WTERMSIG(status) == (number))
#define EXITS(status, code) (WIFEXITED(status) && WEXITSTATUS(status) == (code))

static void no_new_privileges(void) { CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0); }

static void without_rights(void)
{
    /* Without CAP_SYS_ADMIN and without no_new_privs. */
    if (geteuid() == 0)
        CHECK(setresuid(65534, 65534, 65534) == 0);
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
    CHECK_ERRNO(give_up(SYS_getppid, SECCOMP_RET_ERRNO | 1, 0), EACCES);
    struct sock_fprog program = {.len = 0};
    CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, &program), EINVAL);
    no_new_privileges();
    CHECK(give_up(SYS_getppid, SECCOMP_RET_ERRNO | 1, 0) == 0);
    CHECK_ERRNO(syscall(SYS_getppid), EPERM);
    _exit(7);
}

static void strict_write(void)
{
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == 0);
    syscall(SYS_write, 1, "ok   strict: write\n", 19);
    syscall(SYS_exit, 8);
}

static void strict_other(void)
{
    CHECK(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL) == 0);
    syscall(SYS_getpid);
}

static void kill_process(void) { give_up(SYS_getppid, SECCOMP_RET_KILL_PROCESS, 0); syscall(SYS_getppid); }
static void kill_thread(void) { give_up(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0); syscall(SYS_getppid); }
static void kill_unknown(void) { give_up(SYS_getppid, 0x12340000, 0); syscall(SYS_getppid); }
static void trap_default(void) { give_up(SYS_getppid, SECCOMP_RET_TRAP, 0); syscall(SYS_getppid); }

static void trap_ignored(void)
{
    signal(SIGSYS, SIG_IGN);
    give_up(SYS_getppid, SECCOMP_RET_TRAP, 0);
    syscall(SYS_getppid);
}

static void nothing(int number) { (void)number; }

static void trap_blocked(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    signal(SIGSYS, nothing);
    sigprocmask(SIG_BLOCK, &set, NULL);
    give_up(SYS_getppid, SECCOMP_RET_TRAP, 0);
    syscall(SYS_getppid);
}

static siginfo_t trapped;
static uintptr_t trapped_at, trapped_rax;
static volatile int traps, answers;

static void on_trap(int number, siginfo_t *info, void *context)
{
    ucontext_t *where = context;
    (void)number;
    traps++;
    trapped = *info;
    trapped_at = (uintptr_t)where->uc_mcontext.gregs[REG_RIP];
    trapped_rax = (uintptr_t)where->uc_mcontext.gregs[REG_RAX];
    if (answers)
        where->uc_mcontext.gregs[REG_RAX] = 4711;
}

static volatile int alarms;
static void on_alarm(int number) { (void)number; alarms++; }

static void trap(void)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, NULL);
    CHECK(give_up(SYS_getppid, SECCOMP_RET_TRAP | 0x123, 0) == 0);
    long value = syscall(SYS_getppid);
    CHECK(traps == 1 && value == SYS_getppid);
    CHECK(trapped.si_signo == SIGSYS && trapped.si_errno == 0x123 && trapped.si_code == 1);
    CHECK(trapped.si_syscall == SYS_getppid && trapped.si_arch == AUDIT_ARCH_X86_64);
    CHECK((uintptr_t)trapped.si_call_addr == trapped_at && trapped_rax == SYS_getppid);
    CHECK(((unsigned char *)trapped_at)[-2] == 0x0f && ((unsigned char *)trapped_at)[-1] == 0x05);
    answers = 1;
    CHECK(syscall(SYS_getppid) == 4711);
    /* Other signals come between. */
    signal(SIGALRM, on_alarm);
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    syscall(SYS_setitimer, 0, &often, NULL);
    int wrong = 0, i;
    for (i = 0; alarms < 5 || i < 200; i++)
        wrong += syscall(SYS_getppid) != 4711;
    syscall(SYS_setitimer, 0, &never, NULL);
    CHECK(wrong == 0 && traps == i + 2);
    _exit(5);
}

static void answers_of_all_kinds(void)
{
    CHECK(give_up(SYS_getppid, SECCOMP_RET_ERRNO | 0, 0) == 0);
    CHECK(syscall(SYS_getppid) == 0);
    CHECK(give_up(SYS_getpgrp, SECCOMP_RET_ERRNO | 0xffff, 0) == 0);
    errno = 0;
    CHECK(syscall(SYS_getpgrp) == -1 && errno == 4095);
    CHECK(give_up(SYS_getuid, SECCOMP_RET_TRACE | 3, 0) == 0);
    CHECK_ERRNO(syscall(SYS_getuid), ENOSYS);
    CHECK(give_up(SYS_geteuid, SECCOMP_RET_USER_NOTIF, 0) == 0);
    CHECK_ERRNO(syscall(SYS_geteuid), ENOSYS);
    CHECK(give_up(SYS_getgid, SECCOMP_RET_LOG, SECCOMP_FILTER_FLAG_LOG) == 0);
    CHECK(syscall(SYS_getgid) == (long)getegid());
    /* Numbers that no call has; with half of the register that is not looked at. */
    CHECK(give_up(1000, SECCOMP_RET_ERRNO | EXDEV, 0) == 0);
    CHECK_ERRNO(syscall(1000), EXDEV);
    CHECK_ERRNO(syscall(0x100000000l + 1000), EXDEV);
    CHECK_ERRNO(syscall(1001), ENOSYS);
    CHECK(mode() == 2 && status_line("Seccomp") == 2 && status_line("Seccomp_filters") == 6);
    /* The most restrictive of several, the newest of equals. */
    CHECK(give_up(SYS_umask, SECCOMP_RET_ERRNO | 11, 0) == 0);
    CHECK(give_up(SYS_umask, SECCOMP_RET_ERRNO | 12, 0) == 0);
    CHECK(give_up(SYS_umask, SECCOMP_RET_TRACE, 0) == 0);
    CHECK_ERRNO(syscall(SYS_umask, 0), 12);
    /* By the arguments, both halves. */
    struct sock_filter halves[] = {
        LOAD(NUMBER),       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lseek, 0, 6),
        LOAD(ARGUMENT(1)),  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x89abcdef, 0, 4),
        LOAD(ARGUMENT(1) + 4), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x01234567, 0, 2),
        BPF_STMT(BPF_LD | BPF_IMM, SECCOMP_RET_ERRNO | 13), BPF_STMT(BPF_RET | BPF_A, 0),
        ANSWER(SECCOMP_RET_ALLOW)};
    CHECK(install(halves, 9, 0) == 0);
    CHECK_ERRNO(syscall(SYS_lseek, -1, 0x0123456789abcdefl, 0), 13);
    CHECK_ERRNO(syscall(SYS_lseek, -1, 0x0123456689abcdefl, 0), EBADF);
    /* Strict mode does not go with filters. */
    CHECK_ERRNO(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0), EINVAL);
    /* A filter may forbid further filters. */
    CHECK(give_up(SYS_seccomp, SECCOMP_RET_ERRNO | 14, 0) == 0);
    CHECK_ERRNO(give_up(SYS_umask, SECCOMP_RET_ALLOW, 0), 14);
    _exit(6);
}

static void what_is_a_filter(void)
{
    struct sock_filter end[] = {ANSWER(SECCOMP_RET_ALLOW)};
    struct sock_filter bad[][2] = {
        {LOAD(1), ANSWER(0)},
        {LOAD(64), ANSWER(0)},
        {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), ANSWER(0)},
        {BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), ANSWER(0)},
        {BPF_STMT(BPF_LD | BPF_MEM, 0), ANSWER(0)},
        {BPF_STMT(BPF_ST, 16), ANSWER(0)},
        {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), ANSWER(0)},
        {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), ANSWER(0)},
        {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), ANSWER(0)},
        {BPF_STMT(BPF_JMP | BPF_JA, 1), ANSWER(0)},
        {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), ANSWER(0)},
        {BPF_STMT(0xffff, 0), ANSWER(0)},
        {ANSWER(0), BPF_STMT(BPF_LD | BPF_IMM, 0)},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_ERRNO(install(bad[i], 2, 0), EINVAL);
    CHECK_ERRNO(install(end, 0, 0), EINVAL);
    CHECK_ERRNO(install(end, 4097, 0), EINVAL);
    CHECK_ERRNO(install(NULL, 1, 0), EINVAL);
    CHECK_ERRNO(install((void *)8, 1, 0), EFAULT);
    CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL), EFAULT);
    CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, 1 << 30, NULL), EINVAL);
    CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
    CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_STRICT, 0, end), EINVAL);
    CHECK_ERRNO(seccomp(77, 0, NULL), EINVAL);
    CHECK_ERRNO(prctl(PR_SET_SECCOMP, 3, 0, 0, 0), EINVAL);
    CHECK_ERRNO(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0, 0, 0), EFAULT);
    unsigned known[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
                        SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        CHECK(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &known[i]) == 0);
    unsigned unknown = 0x12340000;
    CHECK_ERRNO(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &unknown), EOPNOTSUPP);
    CHECK_ERRNO(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, NULL), EFAULT);
    CHECK_ERRNO(seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &unknown), EINVAL);
    CHECK(mode() == 0 && status_line("Seccomp") == 0 && status_line("Seccomp_filters") == 0);
    /* The longest, and only so many of them. */
    static struct sock_filter longest[4096];
    for (int i = 0; i < 4096; i++)
        longest[i] = end[0];
    int taken = 0;
    while (taken < 20 && install(longest, 4096, 0) == 0)
        taken++;
    CHECK(taken > 0 && taken < 20 && errno == ENOMEM);
    _exit(9);
}

static void *gives_up(void *unused)
{
    (void)unused;
    CHECK(give_up(SYS_getppid, SECCOMP_RET_ERRNO | 21, 0) == 0);
    CHECK_ERRNO(syscall(SYS_getppid), 21);
    return NULL;
}

static void *dies(void *unused)
{
    (void)unused;
    give_up(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0);
    syscall(SYS_getppid);
    puts("FAIL a killed thread goes on");
    return NULL;
}

static void *dies_last(void *unused)
{
    usleep(200000);
    return dies(unused);
}

/* The first thread's status is not the program's. */
static void kill_last_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, dies_last, NULL);
    syscall(SYS_exit, 3);
}

static pthread_barrier_t barrier;
static int other_errno, other_nnp, other_id;

static void *waits(void *unused)
{
    (void)unused;
    other_id = (int)syscall(SYS_gettid);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    errno = 0;
    syscall(SYS_getppid);
    other_errno = errno;
    other_nnp = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    return NULL;
}

static void *has_its_own(void *unused)
{
    CHECK(give_up(SYS_getpgrp, SECCOMP_RET_ERRNO | 22, 0) == 0);
    return waits(unused);
}

static void *inherits(void *unused)
{
    (void)unused;
    errno = 0;
    syscall(SYS_getppid);
    return (void *)(intptr_t)errno;
}

static void threads(void)
{
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, gives_up, NULL);
    pthread_join(thread, NULL);
    CHECK(syscall(SYS_getppid) > 0 && mode() == 0);
    /* For all threads, and those that they make. */
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, waits, NULL);
    pthread_barrier_wait(&barrier);
    CHECK(give_up(SYS_getppid, SECCOMP_RET_ERRNO | 23, SECCOMP_FILTER_FLAG_TSYNC) == 0);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    CHECK(other_errno == 23 && other_nnp == 1);
    pthread_create(&thread, NULL, inherits, NULL);
    pthread_join(thread, &result);
    CHECK((intptr_t)result == 23);
    /* A thread with a filter of its own is in the way. */
    pthread_create(&thread, NULL, has_its_own, NULL);
    pthread_barrier_wait(&barrier);
    CHECK(give_up(SYS_getppid, SECCOMP_RET_ERRNO | 24, SECCOMP_FILTER_FLAG_TSYNC) == other_id);
    CHECK_ERRNO(give_up(SYS_getppid, SECCOMP_RET_ERRNO | 24,
                        SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH),
                ESRCH);
    CHECK_ERRNO(syscall(SYS_getppid), 23);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    CHECK(other_errno == 23);
    _exit(3);
}

static void one_of_several(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, dies, NULL);
    pthread_join(thread, NULL);
    puts("ok   the others live on");
    fflush(stdout);
    _exit(4);
}

static const char *self;

static void becomes(void)
{
    CHECK(give_up(SYS_getppid, SECCOMP_RET_ERRNO | 31, 0) == 0);
    CHECK(give_up(SYS_umask, SECCOMP_RET_ERRNO | 32, 0) == 0);
    execl(self, self, "again", (char *)NULL);
}

static void children(void)
{
    CHECK(give_up(SYS_getppid, SECCOMP_RET_ERRNO | 33, 0) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_ERRNO(syscall(SYS_getppid), 33);
        CHECK(mode() == 2);
        exit(0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    CHECK(EXITS(status, 0));
    /* What the child of a vfork gives up its parent has still. */
    pid = vfork();
    if (pid == 0) {
        give_up(SYS_getpgrp, SECCOMP_RET_ERRNO | 34, 0);
        _exit(syscall(SYS_getpgrp) == -1 && errno == 34 && syscall(SYS_getppid) == -1 && errno == 33);
    }
    waitpid(pid, &status, 0);
    CHECK(EXITS(status, 1) && syscall(SYS_getpgrp) > 0);
    /* Another program, by way of posix_spawn. */
    char *words[] = {"sh", "-c", "grep ^Seccomp /proc/self/status; kill -9 $$ 2>/dev/null", NULL};
    fflush(stdout);
    CHECK(give_up(SYS_kill, SECCOMP_RET_ERRNO | EPERM, 0) == 0);
    CHECK(posix_spawn(&pid, "/bin/sh", NULL, NULL, words, environ) == 0);
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) != 0);
    _exit(2);
}

int main(int count, char **words)
{
    self = words[0];
    if (count > 1) {
        CHECK(mode() == 2 && status_line("Seccomp_filters") == 2);
        CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
        CHECK_ERRNO(syscall(SYS_getppid), 31);
        CHECK_ERRNO(syscall(SYS_umask, 0), 32);
        return 1;
    }
    int status = child(without_rights);
    CHECK(EXITS(status, 7));
    no_new_privileges();
    status = child(strict_write);
    CHECK(EXITS(status, 8));
    status = child(strict_other);
    CHECK(DIES(status, SIGKILL));
    status = child(kill_process);
    CHECK(DIES(status, SIGSYS));
    status = child(kill_thread);
    CHECK(DIES(status, SIGSYS));
    status = child(kill_last_thread);
    CHECK(DIES(status, SIGSYS));
    status = child(kill_unknown);
    CHECK(DIES(status, SIGSYS));
    status = child(trap_default);
    CHECK(DIES(status, SIGSYS));
    status = child(trap_ignored);
    CHECK(DIES(status, SIGSYS));
    status = child(trap_blocked);
    CHECK(DIES(status, SIGSYS));
    status = child(trap);
    CHECK(EXITS(status, 5));
    status = child(answers_of_all_kinds);
    CHECK(EXITS(status, 6));
    status = child(what_is_a_filter);
    CHECK(EXITS(status, 9));
    status = child(threads);
    CHECK(EXITS(status, 3));
    status = child(one_of_several);
    CHECK(EXITS(status, 4));
    status = child(becomes);
    CHECK(EXITS(status, 1));
    status = child(children);
    CHECK(EXITS(status, 2));
    CHECK(mode() == 0);
    return 0;
}
