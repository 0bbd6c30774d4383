// expect: heap-use-after-free
// oracle: forgetful
// call: recvfrom 2
// region: 0 of 64
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0)
        return 2;
    if (write(ends[0], "hello", 5) != 5)
        return 2;
    char *buffer = malloc(64); /* ALLOC */
    memset(buffer, 'a', 64);
#ifdef BUG
    free(buffer); /* FREE */
#endif
    ssize_t count = recv(ends[1], buffer, 64, 0); /* FAULT */
    printf("%zd\n", count);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
