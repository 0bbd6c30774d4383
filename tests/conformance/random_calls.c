// linking: glibc
// A storm of random system calls with wild arguments: whatever a program passes, it gets an answer
// or dies by itself, and the machine under it goes on.
//
// Children without rights make the calls and are killed after a while; a child that ends with status
// 125 met a failure of what runs it. STORM_SECONDS and STORM_SEED make a longer or another storm.
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILD_MS = 300, NUMBERS = 470 };

static uint64_t state;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

// Calls that reach other processes, or that would end the storm and not the child.
static int is_harmful(long number)
{
    static const long harmful[] = {
        SYS_kill,          SYS_tkill,           SYS_tgkill,     SYS_rt_sigqueueinfo,
        SYS_rt_tgsigqueueinfo, SYS_pidfd_send_signal, SYS_ptrace, SYS_process_vm_writev,
        SYS_setpgid,       SYS_setsid,          SYS_exit_group, SYS_exit,
        SYS_fork,          SYS_vfork,           SYS_clone,      SYS_clone3,
        SYS_execve,        SYS_execveat,        SYS_process_madvise, SYS_msgctl, SYS_semctl, SYS_shmctl,
        SYS_pause,         SYS_rt_sigsuspend,   SYS_sync,       SYS_syncfs, SYS_keyctl,
    };
    for (unsigned i = 0; i < sizeof harmful / sizeof *harmful; i++)
        if (harmful[i] == number)
            return 1;
    return 0;
}

static char *memory;

static uint64_t argument(void)
{
    switch (next() % 11) {
    case 0: return next() % 8;
    case 1: return next() % 4096;
    case 2: return (uint64_t)memory + next() % 8192;
    case 3: return (uint64_t)memory + 4096 - next() % 32; // crosses into what cannot be written
    case 4: return (uint64_t)&state;
    case 5: return next();
    case 6: return -(next() % 4096);
    case 7: return (uint64_t)&argument;
    case 8: return 1ull << next() % 64;
    case 9: return next() & 0x7fffffffffffull;
    default: return 0x600000000000ull + next() % (1ull << 44); // the runtime's own region
    }
}

static void storm(void)
{
    struct rlimit files = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &files);
    if (geteuid() == 0 && (chroot(".") || setgroups(0, NULL) || setresgid(65534, 65534, 65534)
                           || setresuid(65534, 65534, 65534)))
        _exit(3);
    close(0);
    close(1);
    close(2);
    for (;;) {
        long number = (long)(next() % NUMBERS);
        if (is_harmful(number))
            continue;
        uint64_t a = argument(), b = argument(), c = argument();
        syscall(number, a, b, c, argument(), argument(), argument());
    }
}

static long number_of(const char *name, long otherwise)
{
    const char *value = getenv(name);
    return value ? atol(value) : otherwise;
}

static long milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(void)
{
    uint64_t seed = (uint64_t)number_of("STORM_SEED", 1);
    long end = milliseconds() + number_of("STORM_SECONDS", 3) * 1000;
    memory = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + 4096, 4096, PROT_READ)
        || munmap(memory + 8192, 4096))
        return 2;
    while (milliseconds() < end) {
        state = ++seed * 0x9e3779b97f4a7c15ull;
        pid_t child = fork();
        if (child < 0)
            return 2;
        if (child == 0)
            storm();
        int status = 0;
        for (long past = 0; waitpid(child, &status, WNOHANG) == 0; past += 5) {
            if (past >= CHILD_MS)
                kill(child, SIGKILL);
            usleep(5000);
        }
        if (WIFEXITED(status) && (WEXITSTATUS(status) == 125 || WEXITSTATUS(status) == 101)) {
            printf("FAIL seed %llu: status %d\n", (unsigned long long)seed, WEXITSTATUS(status));
            return 1;
        }
    }
    puts("ok   the storm is over");
    return 0;
}
