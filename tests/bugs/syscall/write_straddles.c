// expect: heap-use-after-free
// call: write 2
// The range goes over a page border.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0)
        return 2;
    char *buffer = malloc(16384); /* ALLOC */
    memset(buffer, 'a', 16384);
    char *start = buffer + 8184;
#ifdef BUG
    free(buffer); /* FREE */
#endif
    ssize_t count = write(pipe_ends[1], start, 16); /* FAULT */
    printf("%zd\n", count);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
