// expect: heap-use-after-free READ 2
// region: 14 of 16
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    uint16_t *items = malloc(16); /* ALLOC */
    items[7] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    uint16_t item = items[7]; /* FAULT */
    printf("%.0f\n", (double)item);
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
