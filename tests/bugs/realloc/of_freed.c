// expect: double-free
// region: 0 of 32
// linking: glibc musl dynamic
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *block = malloc(32); /* ALLOC */
#ifdef BUG
    free(block); /* FREE */
#endif
    char *grown = realloc(block, 64); /* FAULT */
    free(grown);
    puts("survived");
    return 0;
}
