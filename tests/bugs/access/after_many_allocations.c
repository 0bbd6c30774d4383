// expect: heap-use-after-free READ 8
// region: 8 of 64
// linking: glibc musl
// However many objects of its size come later, none takes the place of the freed one.
#include <stdio.h>
#include <stdlib.h>

static long *kept[100000];

int main(void) {
    long *stale = malloc(64); /* ALLOC */
    stale[1] = 7;
#ifdef BUG
    free(stale); /* FREE */
#endif
    for (int i = 0; i < 100000; i++) {
        kept[i] = malloc(64);
        kept[i][1] = i;
    }
    long item = stale[1]; /* FAULT */
    printf("%ld\n", item);
    for (int i = 0; i < 100000; i++)
        free(kept[i]);
#ifndef BUG
    free(stale);
#endif
    puts("survived");
    return 0;
}
