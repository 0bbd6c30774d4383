// expect: heap-use-after-free
// oracle: forgetful
// call: recvmsg
// region: 0 of 64
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0)
        return 2;
    if (write(ends[0], "hello", 5) != 5)
        return 2;
    char *buffer = malloc(64); /* ALLOC */
    memset(buffer, 'a', 64);
    struct iovec part = {buffer, 64};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
#ifdef BUG
    free(buffer); /* FREE */
#endif
    ssize_t count = recvmsg(ends[1], &message, 0); /* FAULT */
    printf("%zd\n", count);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
