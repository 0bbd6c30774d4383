// expect: heap-use-after-free
// call: epoll_wait 2
// region: 0 of 96
// oracle: blind
// Room for events.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/epoll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    struct epoll_event *buffer = calloc(1, 96); /* ALLOC */
    int poller = epoll_create1(0);
#ifdef BUG
    free(buffer); /* FREE */
#endif
    long result = syscall(SYS_epoll_wait, poller, buffer, 8, 0); /* FAULT */
    printf("%ld\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
