// expect: heap-use-after-free
// call: writev
// region: 0 of 64
// linking: glibc musl dynamic
// The second element of a vector.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void) {
    int null = open("/dev/null", O_RDWR);
    char head[] = "head";
    char *buffer = malloc(64); /* ALLOC */
    memset(buffer, 'a', 64);
    struct iovec parts[] = {{head, 4}, {buffer, 64}};
#ifdef BUG
    free(buffer); /* FREE */
#endif
    ssize_t count = writev(null, parts, 2); /* FAULT */
    printf("%zd\n", count);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
