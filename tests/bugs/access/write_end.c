// expect: heap-use-after-free WRITE 4
// region: 36 of 40
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *items = malloc(10 * sizeof *items); /* ALLOC */
    items[9] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    items[9] = 9; /* FAULT */
    puts("written");
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
