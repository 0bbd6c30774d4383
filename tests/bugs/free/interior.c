// expect: bad-free
// linking: glibc musl dynamic
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *block = malloc(100); /* ALLOC */
    char *at = block;
#ifdef BUG
    at += 16;
#endif
    free(at); /* FAULT */
    puts("survived");
    return 0;
}
