// expect: bad-free
// linking: glibc pie musl
#include <stdio.h>
#include <stdlib.h>

static char table[256];

int main(void) {
    char *at = malloc(64);
#ifdef BUG
    at = table;
#endif
    free(at); /* FAULT */
    printf("%d\n", table[0]);
    puts("survived");
    return 0;
}
