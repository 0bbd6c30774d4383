// linking: glibc musl
// Signals at 3 kHz while nearly every instruction that touches memory faults: each fault is the
// access's own, however often a signal comes in between.
#include "check.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>

enum { PAGES = 64, PAGE = 4096 };

static volatile sig_atomic_t ticks, faults, wrong;
static volatile char *closed;

static void tick(int signal) {
    (void)signal;
    ticks++;
}

static void open_page(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    wrong += info->si_addr != closed;
    wrong += mprotect((void *)closed, PAGE, PROT_READ | PROT_WRITE) != 0;
    faults++;
}

int main(void) {
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    struct sigaction fault = {.sa_sigaction = open_page, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(sigaction(SIGSEGV, &fault, NULL) == 0);
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    int rounds = 0;
    while (ticks < 200 || rounds < 3) {
        char *fresh = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int page = 0; page < PAGES; page++)
            fresh[page * PAGE] = (char)(page + 1);
        closed = fresh + PAGE;
        wrong += mprotect((void *)closed, PAGE, PROT_NONE) != 0;
        *closed += 1;
        wrong += *closed != 3;
        char *block = malloc(PAGES * PAGE);
        memset(block, 1, PAGES * PAGE);
        free(block);
        wrong += munmap(fresh, PAGES * PAGE) != 0;
        rounds++;
    }
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(faults == rounds);
    CHECK(wrong == 0);
    puts("end");
    return 0;
}
