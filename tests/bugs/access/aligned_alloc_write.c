// expect: heap-use-after-free WRITE 4
// region: 128 of 256
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *items = aligned_alloc(64, 256); /* ALLOC */
    items[32] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    items[32] = 9; /* FAULT */
    puts("written");
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
