// expect: heap-use-after-free
// oracle: forgetful
// call: read 2
// region: 0 of 64
// linking: glibc musl
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    int zero = open("/dev/zero", O_RDONLY);
    char *buffer = malloc(64); /* ALLOC */
    memset(buffer, 'a', 64);
#ifdef BUG
    free(buffer); /* FREE */
#endif
    ssize_t count = read(zero, buffer, 64); /* FAULT */
    printf("%zd\n", count);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
