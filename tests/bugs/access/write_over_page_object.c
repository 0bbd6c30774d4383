// expect: heap-use-after-free WRITE 1
// region: 4096 of 5000
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    unsigned char *items = malloc(5000); /* ALLOC */
    items[4096] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    items[4096] = 9; /* FAULT */
    puts("written");
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
