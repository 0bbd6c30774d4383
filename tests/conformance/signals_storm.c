// linking: glibc musl
// A timer that fires ten thousand times a second, in malloc and in system calls, loses nothing.
#define _GNU_SOURCE
#include "check.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile long expired;
static timer_t timer;

static void tick(int signal, siginfo_t *info, void *context) {
    (void)context;
    expired += 1 + info->si_overrun;
    if (signal == SIGALRM)
        expired += 1000000000;
}

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + at.tv_nsec / 1e9;
}

int main(void) {
    struct sigaction action = {0};
    action.sa_sigaction = tick;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(SIGRTMIN, &action, NULL);
    struct sigevent event = {0};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGRTMIN;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    int ends[2];
    CHECK(pipe(ends) == 0);
    struct itimerspec each = {{0, 100000}, {0, 100000}}, off = {{0, 0}, {0, 0}};
    double start = now();
    CHECK(timer_settime(timer, 0, &each, NULL) == 0);
    char *objects[64] = {0};
    long rounds = 0, wrong = 0;
    while (now() - start < 1) {
        int index = rounds++ % 64;
        free(objects[index]);
        objects[index] = malloc(16 + rounds % 500);
        memset(objects[index], index, 16);
        char byte = (char)rounds, read_back = 0;
        if (write(ends[1], &byte, 1) != 1 || read(ends[0], &read_back, 1) != 1 ||
            read_back != byte || objects[(index + 7) % 64] == objects[index])
            wrong++;
    }
    timer_settime(timer, 0, &off, NULL);
    double elapsed = now() - start;
    CHECK(wrong == 0);
    long least = (long)(elapsed * 10000 * 0.9), most = (long)(elapsed * 10000 * 1.1) + 2;
    CHECK(expired >= least && expired <= most);
    return 0;
}
