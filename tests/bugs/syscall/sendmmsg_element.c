// expect: heap-use-after-free
// call: sendmmsg 2
// region: 0 of 32
// oracle: blind
// A buffer of the first of the messages.
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
    struct iovec parts[] = {{head, 4}, {buffer, 32}};
    struct mmsghdr messages[2] = {{{NULL, 0, parts, 1, NULL, 0, 0}, 0}, {{NULL, 0, parts + 1, 1, NULL, 0, 0}, 0}};
#ifdef BUG
    free(buffer); /* FREE */
#endif
    long result = syscall(SYS_sendmmsg, ends[0], messages + 1, 1, 0); /* FAULT */
    printf("%ld\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
