// expect: heap-use-after-free
// call: write 2
// region: 32 of 64
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    int null = open("/dev/null", O_RDWR);
    char *buffer = malloc(64); /* ALLOC */
    memset(buffer, 'a', 64);
#ifdef BUG
    free(buffer); /* FREE */
#endif
    ssize_t count = write(null, buffer + 32, 8); /* FAULT */
    printf("%zd\n", count);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
