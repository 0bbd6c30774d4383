// expect: bad-free
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *block = malloc(8 << 20); /* ALLOC */
    char *at = block;
#ifdef BUG
    at += 4 << 20;
#endif
    free(at); /* FAULT */
    puts("survived");
    return 0;
}
