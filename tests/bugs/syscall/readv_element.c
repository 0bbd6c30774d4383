// expect: heap-use-after-free
// oracle: forgetful
// call: readv
// region: 0 of 64
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void) {
    int zero = open("/dev/zero", O_RDONLY);
    char head[4];
    char *buffer = malloc(64); /* ALLOC */
    memset(buffer, 'a', 64);
    struct iovec parts[] = {{head, 4}, {buffer, 64}};
#ifdef BUG
    free(buffer); /* FREE */
#endif
    ssize_t count = readv(zero, parts, 2); /* FAULT */
    printf("%zd\n", count);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
