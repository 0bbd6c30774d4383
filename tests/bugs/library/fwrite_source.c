// expect: heap-use-after-free READ
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *text = malloc(64); /* ALLOC */
    strcpy(text, "seven");
#ifdef BUG
    free(text); /* FREE */
#endif
    size_t count = fwrite(text, 1, 5, stdout); /* FAULT */
    printf(" %zu\n", count);
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
