// expect: heap-use-after-free READ 1
// region: 100 of 102400
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *items = aligned_alloc(4096, 102400); /* ALLOC */
    items[100] = 7;
#ifdef BUG
    free(items); /* FREE */
#endif
    char item = items[100]; /* FAULT */
    printf("%.0f\n", (double)item);
#ifndef BUG
    free(items);
#endif
    puts("survived");
    return 0;
}
