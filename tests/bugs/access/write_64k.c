// expect: heap-use-after-free WRITE 4
// region: 32768 of 65536
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *items = malloc(65536); /* ALLOC */
    items[8192] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    items[8192] = 9; /* FAULT */
    puts("written");
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
