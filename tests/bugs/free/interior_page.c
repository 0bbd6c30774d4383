// expect: bad-free
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *block = malloc(100000); /* ALLOC */
    char *at = block;
#ifdef BUG
    at += 8192;
#endif
    free(at); /* FAULT */
    puts("survived");
    return 0;
}
