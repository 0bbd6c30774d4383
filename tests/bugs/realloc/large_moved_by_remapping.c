// expect: heap-use-after-free READ 1
// region: 1000000 of 1048576
// Page multiples: the content may move without a copy, but the old address must go.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *old = malloc(1 << 20); /* ALLOC */
    memset(old, 'a', 1 << 20);
    char *grown = realloc(old, 16 << 20); /* FREE */
    grown[(16 << 20) - 1] = 'z';
#ifdef BUG
    putchar(old[1000000]); /* FAULT */
#else
    putchar(grown[1000000]);
#endif
    putchar('\n');
    free(grown);
    puts("survived");
    return 0;
}
