// expect: heap-use-after-free WRITE 4
// region: 0 of 16
// A callback frees the object that its caller goes on to use.
#include <stdio.h>
#include <stdlib.h>

struct timer {
    int runs;
    void (*fire)(struct timer *);
};

static void once(struct timer *timer) {
#ifdef BUG
    free(timer); /* FREE */
#else
    (void)timer;
#endif
}

static void tick(struct timer *timer) {
    timer->fire(timer);
    timer->runs = 1; /* FAULT */
}

int main(void) {
    struct timer *timer = malloc(sizeof *timer); /* ALLOC */
    timer->runs = 0;
    timer->fire = once;
    tick(timer);
#ifndef BUG
    printf("%d\n", timer->runs);
    free(timer);
#endif
    puts("survived");
    return 0;
}
