// linking: glibc pie musl
#define _GNU_SOURCE
#include "check.h"
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timespec at) {
    return (double)at.tv_sec + at.tv_nsec / 1e9;
}

int main(void) {
    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE,
                          CLOCK_REALTIME_COARSE, CLOCK_BOOTTIME, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    for (int i = 0; i < 8; i++) {
        struct timespec first, second, direct, resolution;
        CHECK(clock_gettime(clocks[i], &first) == 0);
        CHECK(syscall(SYS_clock_gettime, clocks[i], &direct) == 0);
        CHECK(clock_gettime(clocks[i], &second) == 0);
        CHECK(clock_getres(clocks[i], &resolution) == 0);
        CHECK(seconds(first) <= seconds(second));
        double apart = seconds(direct) - seconds(first);
        CHECK(apart > -0.05 && apart < 5);
        CHECK(first.tv_nsec >= 0 && first.tv_nsec < 1000000000);
    }
    long back = 0;
    struct timespec last = {0, 0};
    for (int i = 0; i < 100000; i++) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        back += seconds(now) < seconds(last);
        last = now;
    }
    CHECK(back == 0);
    struct timespec start, end, pause = {0, 20000000};
    clock_gettime(CLOCK_MONOTONIC, &start);
    CHECK(nanosleep(&pause, NULL) == 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    CHECK(seconds(end) - seconds(start) >= 0.02);
    struct timeval day;
    CHECK(gettimeofday(&day, NULL) == 0);
    long apart = time(NULL) - day.tv_sec;
    /* time() reads the coarse clock, which lags by up to a tick: around a second, by one. */
    CHECK(apart >= -1 && apart < 5);
    struct timespec wrong = {0, 2000000000};
    CHECK_ERRNO(nanosleep(&wrong, NULL), EINVAL);
    CHECK_ERRNO(clock_gettime(12345, &start), EINVAL);
    struct tms used;
    CHECK(times(&used) != (clock_t)-1);
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    CHECK(clock() != (clock_t)-1);
    struct tm parts;
    time_t then = 1700000000;
    char text[40];
    gmtime_r(&then, &parts);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
    printf("     %s\n", text);
    return 0;
}
