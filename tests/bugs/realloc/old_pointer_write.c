// expect: heap-use-after-free WRITE 4
// region: 8 of 40
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *old = calloc(10, sizeof *old); /* ALLOC */
    int *grown = realloc(old, 20 * sizeof *grown); /* FREE */
#ifdef BUG
    old[2] = 5; /* FAULT */
#else
    grown[2] = 5;
#endif
    printf("%d\n", grown[2]);
    free(grown);
    puts("survived");
    return 0;
}
