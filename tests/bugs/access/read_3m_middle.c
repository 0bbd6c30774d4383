// expect: heap-use-after-free READ 8
// region: 1500000 of 3000000
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    uint64_t *items = malloc(3000000); /* ALLOC */
    items[187500] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    uint64_t item = items[187500]; /* FAULT */
    printf("%.0f\n", (double)item);
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
