// expect: double-free
// region: 0 of 20000
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *block = calloc(1, 20000); /* ALLOC */
    free(block); /* FREE */
#ifdef BUG
    free(block); /* FAULT */
#endif
    puts("survived");
    return 0;
}
