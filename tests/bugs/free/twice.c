// expect: double-free
// region: 0 of 100
// linking: glibc pie musl dynamic musl-dynamic
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *block = malloc(100); /* ALLOC */
    free(block); /* FREE */
#ifdef BUG
    free(block); /* FAULT */
#endif
    puts("survived");
    return 0;
}
