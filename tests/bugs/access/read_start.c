// expect: heap-use-after-free READ 4
// region: 0 of 40
// linking: glibc pie musl dynamic musl-dynamic
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *items = malloc(10 * sizeof *items); /* ALLOC */
    items[0] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    int item = items[0]; /* FAULT */
    printf("%.0f\n", (double)item);
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
