// expect: heap-use-after-free WRITE 1
// region: 0 of 1
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *items = malloc(1); /* ALLOC */
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
