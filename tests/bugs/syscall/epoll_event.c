// expect: heap-use-after-free
// call: epoll_ctl 4
// region: 0 of 16
// oracle: blind
// What to wait for.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/epoll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    struct epoll_event *buffer = calloc(1, 16); /* ALLOC */
    int poller = epoll_create1(0), ends[2] = {-1, -1};
    if (pipe(ends))
        return 2;
    buffer->events = EPOLLIN;
#ifdef BUG
    free(buffer); /* FREE */
#endif
    long result = syscall(SYS_epoll_ctl, poller, EPOLL_CTL_ADD, ends[0], buffer); /* FAULT */
    printf("%ld\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
