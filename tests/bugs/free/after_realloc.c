// expect: double-free
// region: 0 of 16
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *old = malloc(16); /* ALLOC */
    char *grown = realloc(old, 4000); /* FREE */
    grown[3999] = 1;
#ifdef BUG
    free(old); /* FAULT */
#endif
    free(grown);
    puts("survived");
    return 0;
}
