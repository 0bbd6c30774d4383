// expect: heap-use-after-free READ 4
// region: 8 of 40
// linking: glibc pie musl
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *old = malloc(10 * sizeof *old); /* ALLOC */
    old[2] = 7;
    int *grown = realloc(old, 1000 * sizeof *grown); /* FREE */
    grown[999] = 9;
#ifdef BUG
    printf("%d\n", old[2]); /* FAULT */
#else
    printf("%d\n", grown[2]);
#endif
    free(grown);
    puts("survived");
    return 0;
}
