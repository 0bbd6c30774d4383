// expect: heap-use-after-free WRITE 4
// region: 0 of 40
// linking: glibc pie musl
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *items = malloc(10 * sizeof *items); /* ALLOC */
    items[0] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    items[0] = 9; /* FAULT */
    puts("written");
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
