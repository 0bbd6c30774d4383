// What every benchmark here shares: two clocks, a scale, and the line that scripts/bench reads.
// Guarantees: a benchmark prints one line for each case, `CASE WALL CPU`, both in nanoseconds for one
// operation, where CPU counts all threads of the process; under dangless-vmm that includes the VMM.

#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct moment {
    double wall;
    double cpu;
};

static inline double clock_ns(clockid_t which)
{
    struct timespec time;
    if (clock_gettime(which, &time) != 0) {
        perror("clock_gettime");
        exit(2);
    }
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static inline struct moment moment(void)
{
    struct moment now = {clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_PROCESS_CPUTIME_ID)};
    return now;
}

static inline void print_case(const char *name, double wall, double cpu)
{
    printf("%s %.3f %.3f\n", name, wall, cpu);
}

static inline void report(const char *name, struct moment since, double operations)
{
    struct moment now = moment();
    print_case(name, (now.wall - since.wall) / operations, (now.cpu - since.cpu) / operations);
}

// The first argument scales the work: a percentage of COUNT, and at least 1.
static inline long scaled(int argc, char **argv, long count)
{
    long percent = argc > 1 ? strtol(argv[1], NULL, 10) : 100;
    long result = count * percent / 100;
    return result > 0 ? result : 1;
}

// Where results go that the compiler must not find unused.
static volatile unsigned long sink __attribute__((unused));

#endif
