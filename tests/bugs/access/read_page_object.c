// expect: heap-use-after-free READ 1
// region: 4095 of 4096
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    unsigned char *items = malloc(4096); /* ALLOC */
    items[4095] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    unsigned char item = items[4095]; /* FAULT */
    printf("%.0f\n", (double)item);
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
