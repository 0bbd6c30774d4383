// expect: heap-use-after-free READ 4
// region: 396 of 400
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *items = calloc(100, sizeof *items); /* ALLOC */
    items[99] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    int item = items[99]; /* FAULT */
    printf("%.0f\n", (double)item);
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
