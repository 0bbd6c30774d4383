// expect: bad-free
// linking: glibc musl dynamic
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char local[64] = "on the stack";
    char *block = malloc(64);
    char *at = block;
#ifdef BUG
    at = local;
#endif
    free(at); /* FAULT */
    puts(local);
    puts("survived");
    return 0;
}
