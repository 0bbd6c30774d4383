// expect: heap-use-after-free WRITE 8
// region: 120 of 128
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    uint64_t *items = malloc(128); /* ALLOC */
    items[15] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    items[15] = 9; /* FAULT */
    puts("written");
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
