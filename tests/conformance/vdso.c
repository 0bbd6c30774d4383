// linking: glibc pie dynamic musl
// The clocks that can be told without a system call agree with those that are asked by one.
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long of(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }

static long long asked(clockid_t clock) {
    struct timespec t;
    return syscall(SYS_clock_gettime, clock, &t) ? -1 : of(t);
}

static long long told(clockid_t clock) {
    struct timespec t;
    return clock_gettime(clock, &t) ? -1 : of(t);
}

/* Counts readings that are not between those before and after. */
static int outside(clockid_t clock) {
    int count = 0;
    for (int round = 0; round < 300; round++) {
        long long before = asked(clock), between = told(clock), after = asked(clock);
        count += before < 0 || between < before || after < between;
    }
    return count;
}

int main(void) {
    static const struct { const char *name; clockid_t clock; } clocks[] = {
        {"realtime", CLOCK_REALTIME},
        {"monotonic", CLOCK_MONOTONIC},
        {"raw", CLOCK_MONOTONIC_RAW},
        {"boottime", CLOCK_BOOTTIME},
        {"tai", CLOCK_TAI},
        {"realtime, coarse", CLOCK_REALTIME_COARSE},
        {"monotonic, coarse", CLOCK_MONOTONIC_COARSE},
        {"of the process", CLOCK_PROCESS_CPUTIME_ID},
        {"of the thread", CLOCK_THREAD_CPUTIME_ID},
    };
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        int count = outside(clocks[i].clock);
        /* The wall clock may be set, once. */
        if (count) count = outside(clocks[i].clock);
        printf("%s: %d outside\n", clocks[i].name, count);
    }
    long long last = told(CLOCK_MONOTONIC), back = 0;
    for (int round = 0; round < 20000; round++) {
        long long now = told(CLOCK_MONOTONIC);
        back += now < last;
        last = now;
    }
    printf("monotonic goes back: %lld\n", back);
    int wrong = 0;
    for (int round = 0; round < 300; round++) {
        struct timeval middle;
        long long before = asked(CLOCK_REALTIME) / 1000;
        gettimeofday(&middle, NULL);
        long long between = middle.tv_sec * 1000000LL + middle.tv_usec;
        wrong += between < before || asked(CLOCK_REALTIME) / 1000 < between;
    }
    printf("gettimeofday: %d outside\n", wrong);
    struct timespec resolution;
    printf("resolution: %d", clock_getres(CLOCK_MONOTONIC, &resolution));
    printf(" %lld\n", of(resolution));
    errno = 0;
    printf("no such clock: %d", clock_gettime(77, &resolution));
    printf(" %s\n", errno == EINVAL ? "EINVAL" : "?");
    int astray = 0, processors = sysconf(_SC_NPROCESSORS_CONF);
    for (int number = 0; number < processors && number < 8; number++) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(number, &set);
        if (sched_setaffinity(0, sizeof set, &set)) continue;
        astray += sched_getcpu() != number;
    }
    printf("getcpu: %d astray\n", astray);
    return 0;
}
