// expect: heap-use-after-free
// call: connect 2
// region: 0 of 16
// oracle: blind
// The address to connect to.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    struct sockaddr *buffer = calloc(1, 16); /* ALLOC */
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
#ifdef BUG
    free(buffer); /* FREE */
#endif
    long result = syscall(SYS_connect, descriptor, buffer, 16); /* FAULT */
    printf("%ld\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
