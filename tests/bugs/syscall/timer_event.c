// expect: heap-use-after-free
// call: timer_create 2
// region: 0 of 64
// oracle: blind
// How a timer tells.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    struct sigevent *buffer = calloc(1, 64); /* ALLOC */
    buffer->sigev_notify = SIGEV_NONE;
    int timer = 0;
#ifdef BUG
    free(buffer); /* FREE */
#endif
    long result = syscall(SYS_timer_create, CLOCK_MONOTONIC, buffer, &timer); /* FAULT */
    printf("%ld\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
