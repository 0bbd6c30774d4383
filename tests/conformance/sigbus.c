// linking: glibc musl
// Memory past the end of a mapped file: SIGBUS names the address.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf out;
static volatile siginfo_t last;
static volatile long long written;

static void leave(int signal, siginfo_t *info, void *context) {
    (void)signal;
    last = *info;
    written = ((ucontext_t *)context)->uc_mcontext.gregs[REG_ERR] & 2;
    siglongjmp(out, 1);
}

/* The statement ends in a SIGBUS at this address. */
#define LOST(statement, at, writes)                                                          \
    do {                                                                                     \
        volatile int came = 0;                                                               \
        if (sigsetjmp(out, 1) == 0) {                                                        \
            statement;                                                                       \
        } else {                                                                             \
            came = 1;                                                                        \
        }                                                                                    \
        CHECK(came && last.si_signo == SIGBUS && last.si_code == BUS_ADRERR);                \
        CHECK((char *)last.si_addr == (at) && (written != 0) == (writes));                   \
    } while (0)

int main(void) {
    struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
    int file = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(ftruncate(file, 100) == 0);
    char *map = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(map != MAP_FAILED && map[4095] == 0);
    volatile char *bytes = map;
    volatile uint64_t *across = (volatile uint64_t *)(map + 4092);
    LOST((void)bytes[5000], map + 5000, 0);
    LOST(bytes[8191] = 1, map + 8191, 1);
    /* Which of its two accesses faults is the processor's choice. */
    LOST((void)__atomic_fetch_add(&bytes[9000], 1, __ATOMIC_SEQ_CST), map + 9000, written != 0);
    LOST((void)*across, map + 4096, 0);
    LOST(*across = 5, map + 4096, 1);
    char *from = map + 4000, *to = map + 4000;
    char small[200];
    char *into = small;
    size_t count = 200;
    LOST(__asm__ volatile("rep movsb" : "+S"(from), "+D"(into), "+c"(count) : : "memory"),
         map + 4096, 0);
    count = 200;
    LOST(__asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(0) : "memory"), map + 4096, 1);
    CHECK(ftruncate(file, 8192) == 0 && bytes[5000] == 0);
    CHECK(ftruncate(file, 0) == 0);
    LOST((void)bytes[1], map + 1, 0);
    return 0;
}
