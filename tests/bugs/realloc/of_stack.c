// expect: bad-free
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char local[64] = "on the stack";
    char *at = malloc(64);
#ifdef BUG
    at = local;
#endif
    at = realloc(at, 128); /* FAULT */
    free(at);
    puts(local);
    puts("survived");
    return 0;
}
