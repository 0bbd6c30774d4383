// expect: heap-use-after-free
// call: openat 2
// region: 0 of 64
// oracle: blind
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    char *buffer = malloc(64); /* ALLOC */
    strcpy(buffer, "/dev/null");
#ifdef BUG
    free(buffer); /* FREE */
#endif
    int file = open(buffer, O_RDONLY); /* FAULT */
    printf("%d\n", file >= 0);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
