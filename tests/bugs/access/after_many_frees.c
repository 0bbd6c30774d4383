// expect: heap-use-after-free WRITE 4
// region: 16 of 48
// oracle: blind
// The freed object is one of many that come and go: more than AddressSanitizer's quarantine holds.
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *stale = malloc(48); /* ALLOC */
    stale[4] = 7;
#ifdef BUG
    free(stale); /* FREE */
#endif
    for (int i = 0; i < 200000; i++) {
        int *other = malloc(48);
        other[4] = i;
        free(other);
    }
    stale[4] = 9; /* FAULT */
#ifndef BUG
    free(stale);
#endif
    puts("survived");
    return 0;
}
