// expect: heap-use-after-free WRITE 8
// region: 0 of 8388608
// linking: glibc pie musl
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    uint64_t *items = malloc(8 << 20); /* ALLOC */
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
