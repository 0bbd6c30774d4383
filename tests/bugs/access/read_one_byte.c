// expect: heap-use-after-free READ 1
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
    char item = items[0]; /* FAULT */
    printf("%.0f\n", (double)item);
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
