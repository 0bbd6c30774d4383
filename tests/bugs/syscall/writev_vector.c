// expect: heap-use-after-free
// call: writev
// region: 0 of 32
// oracle: blind
// The vector itself.
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
    struct iovec *buffer = malloc(2 * sizeof(struct iovec)); /* ALLOC */
    buffer[0] = buffer[1] = (struct iovec){head, 4};
#ifdef BUG
    free(buffer); /* FREE */
#endif
    ssize_t count = writev(null, buffer, 2); /* FAULT */
    printf("%zd\n", count);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
