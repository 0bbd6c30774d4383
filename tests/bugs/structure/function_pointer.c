// expect: heap-use-after-free READ 8
// region: 8 of 16
// A call through a function pointer kept in a freed object.
#include <stdio.h>
#include <stdlib.h>

struct handler {
    long state;
    void (*call)(long);
};

static void show(long state) {
    printf("%ld\n", state);
    fflush(stdout);
}

int main(void) {
    struct handler *handler = malloc(sizeof *handler); /* ALLOC */
    handler->state = 4;
    handler->call = show;
#ifdef BUG
    free(handler); /* FREE */
#endif
    handler->call(4); /* FAULT */
#ifndef BUG
    free(handler);
#endif
    puts("survived");
    return 0;
}
