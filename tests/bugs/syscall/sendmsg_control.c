// expect: heap-use-after-free
// call: sendmsg 2
// region: 0 of 32
// oracle: blind
// The control data of a message.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    char *buffer = calloc(1, 32); /* ALLOC */
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends))
        return 2;
    char head[] = "head";
    struct iovec part = {head, 4};
    struct msghdr message = {NULL, 0, &part, 1, buffer, 32, 0};
#ifdef BUG
    free(buffer); /* FREE */
#endif
    long result = syscall(SYS_sendmsg, ends[0], &message, 0); /* FAULT */
    printf("%ld\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
