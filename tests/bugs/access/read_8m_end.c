// expect: heap-use-after-free READ 8
// region: 8388600 of 8388608
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    uint64_t *items = malloc(8 << 20); /* ALLOC */
    items[(1 << 20) - 1] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    uint64_t item = items[(1 << 20) - 1]; /* FAULT */
    printf("%.0f\n", (double)item);
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
