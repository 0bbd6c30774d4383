// expect: heap-use-after-free READ 8
// Deeper than any kept stack: the innermost frames must be there all the same.
#include <stdio.h>
#include <stdlib.h>

static long sum(const long *value, int depth) {
    if (depth == 0)
        return *value; /* FAULT */
    return 1 + sum(value, depth - 1);
}

int main(void) {
    long *value = malloc(sizeof *value); /* ALLOC */
    *value = 5;
#ifdef BUG
    free(value); /* FREE */
#endif
    printf("%ld\n", sum(value, 500));
#ifndef BUG
    free(value);
#endif
    puts("survived");
    return 0;
}
