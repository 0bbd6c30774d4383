// expect: heap-use-after-free WRITE 8
// region: 8 of 16
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    _Atomic long *counters = malloc(2 * sizeof *counters); /* ALLOC */
    counters[1] = 6;
#ifdef BUG
    free(counters); /* FREE */
#endif
    long old = atomic_fetch_add(&counters[1], 1); /* FAULT */
    printf("%ld\n", old);
#ifndef BUG
    free(counters);
#endif
    puts("survived");
    return 0;
}
