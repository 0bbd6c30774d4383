// expect: heap-use-after-free
// call: write 2
// region: 0 of 64
// oracle: blind
// Not through the C library's own wrapper.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    int null = open("/dev/null", O_RDWR);
    char *buffer = malloc(64); /* ALLOC */
    memset(buffer, 'a', 64);
#ifdef BUG
    free(buffer); /* FREE */
#endif
    long count = syscall(SYS_write, null, buffer, 64); /* FAULT */
    printf("%ld\n", count);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
