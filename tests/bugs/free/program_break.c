// expect: bad-free
// oracle: blind
// linking: glibc
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void) {
    char *block = sbrk(4096);
    block[0] = 1;
    char *at = malloc(10);
#ifdef BUG
    at = block;
#endif
    free(at); /* FAULT */
    puts("survived");
    return 0;
}
