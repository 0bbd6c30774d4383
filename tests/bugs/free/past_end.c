// expect: bad-free
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *block = malloc(64);
    char *at = block;
    while (at < block + 64)
        *at++ = 'x';
#ifdef BUG
    free(at); /* FAULT */
#else
    free(block); /* FAULT */
#endif
    puts("survived");
    return 0;
}
