// expect: double-free
// region: 0 of 8388608
// linking: glibc musl
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *block = malloc(8 << 20); /* ALLOC */
    block[5000000] = 1;
    free(block); /* FREE */
#ifdef BUG
    free(block); /* FAULT */
#endif
    puts("survived");
    return 0;
}
