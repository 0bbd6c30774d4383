// expect: heap-use-after-free READ 8
// region: 96 of 1000
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    double *items = malloc(1000); /* ALLOC */
    items[12] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    double item = items[12]; /* FAULT */
    printf("%.0f\n", (double)item);
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
