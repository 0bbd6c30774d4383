// expect: bad-free
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *block = malloc(64); /* ALLOC */
    char *at = block;
#ifdef BUG
    at += 32;
#endif
    at = realloc(at, 128); /* FAULT */
    free(at);
    puts("survived");
    return 0;
}
