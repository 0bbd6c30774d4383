// expect: heap-use-after-free
// call: poll 1
// region: 0 of 8
// oracle: blind
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    struct pollfd *buffer = malloc(sizeof(struct pollfd)); /* ALLOC */
    buffer[0] = (struct pollfd){.fd = -1};
#ifdef BUG
    free(buffer); /* FREE */
#endif
    int ready = poll(buffer, 1, 0); /* FAULT */
    printf("%d\n", ready);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
