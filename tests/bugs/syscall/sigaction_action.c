// expect: heap-use-after-free
// call: rt_sigaction 2
// region: 0 of 32
// oracle: blind
// What to do with a signal.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    char *buffer = calloc(1, 32); /* ALLOC */
#ifdef BUG
    free(buffer); /* FREE */
#endif
    long result = syscall(SYS_rt_sigaction, 10, buffer, NULL, 8); /* FAULT */
    printf("%ld\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
