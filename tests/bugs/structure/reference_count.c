// expect: heap-use-after-free READ 4
// region: 0 of 8
// One release too many.
#include <stdio.h>
#include <stdlib.h>

struct shared {
    int references;
    int value;
};

static void release(struct shared *shared) {
    int left = shared->references - 1; /* FAULT */
    shared->references = left;
    if (left == 0)
        free(shared); /* FREE */
}

int main(void) {
    struct shared *shared = malloc(sizeof *shared); /* ALLOC */
    shared->references = 2;
    shared->value = 1;
    release(shared);
    release(shared);
#ifdef BUG
    release(shared);
#endif
    puts("survived");
    return 0;
}
