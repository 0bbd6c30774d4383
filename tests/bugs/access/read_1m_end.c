// expect: heap-use-after-free READ 1
// region: 1048575 of 1048576
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    unsigned char *items = malloc(1 << 20); /* ALLOC */
    items[(1 << 20) - 1] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    unsigned char item = items[(1 << 20) - 1]; /* FAULT */
    printf("%.0f\n", (double)item);
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
