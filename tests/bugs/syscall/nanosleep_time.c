// expect: heap-use-after-free
// call: nanosleep 1
// region: 0 of 16
// oracle: blind
// The time to sleep.
#define _GNU_SOURCE
#include <fcntl.h>
#include <time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    struct timespec *buffer = calloc(1, 16); /* ALLOC */
#ifdef BUG
    free(buffer); /* FREE */
#endif
    long result = syscall(SYS_nanosleep, buffer, NULL); /* FAULT */
    printf("%ld\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
