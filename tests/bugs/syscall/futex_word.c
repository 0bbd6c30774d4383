// expect: heap-use-after-free
// call: futex 1
// region: 0 of 4
// oracle: blind
// The word of a futex.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    int *buffer = calloc(1, 4); /* ALLOC */
#ifdef BUG
    free(buffer); /* FREE */
#endif
    long result = syscall(SYS_futex, buffer, FUTEX_WAKE, 1, NULL, NULL, 0); /* FAULT */
    printf("%ld\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
