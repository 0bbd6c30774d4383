// Times whole processes: `timer COUNT COMMAND [ARGS...]` runs the command COUNT times, one after the
// other, and prints `start WALL CPU`, the medians in nanoseconds. Fails when the command does.

#define _GNU_SOURCE
#include "bench.h"
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

static int ascending(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static double nanoseconds(struct timeval time)
{
    return time.tv_sec * 1e9 + time.tv_usec * 1e3;
}

int main(int argc, char **argv)
{
    long count = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
    if (count < 1) {
        fprintf(stderr, "usage: timer COUNT COMMAND [ARGS...]\n");
        return 2;
    }
    double *wall = calloc(count, sizeof *wall), *cpu = calloc(count, sizeof *cpu);
    if (wall == NULL || cpu == NULL) {
        perror("calloc");
        return 2;
    }
    for (long i = 0; i < count; i++) {
        double start = clock_ns(CLOCK_MONOTONIC);
        pid_t child;
        int status, error = posix_spawnp(&child, argv[2], NULL, NULL, argv + 2, environ);
        struct rusage use;
        if (error != 0 || wait4(child, &status, 0, &use) != child) {
            fprintf(stderr, "timer: cannot run %s\n", argv[2]);
            return 2;
        }
        wall[i] = clock_ns(CLOCK_MONOTONIC) - start;
        cpu[i] = nanoseconds(use.ru_utime) + nanoseconds(use.ru_stime);
        if (status != 0) {
            fprintf(stderr, "timer: %s ended with wait status %d\n", argv[2], status);
            return 2;
        }
    }
    qsort(wall, count, sizeof *wall, ascending);
    qsort(cpu, count, sizeof *cpu, ascending);
    printf("start %.0f %.0f\n", wall[count / 2], cpu[count / 2]);
    return 0;
}
