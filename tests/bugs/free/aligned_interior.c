// expect: bad-free
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *block = aligned_alloc(4096, 8192); /* ALLOC */
    char *at = block;
#ifdef BUG
    at += 4096;
#endif
    free(at); /* FAULT */
    puts("survived");
    return 0;
}
