// expect: heap-use-after-free READ
// linking: glibc pie musl
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *text = malloc(64); /* ALLOC */
    char copy[64];
    memset(text, 0, 64);
    strcpy(text, "seven");
#ifdef BUG
    free(text); /* FREE */
#endif
    memcpy(copy, text, 64); /* FAULT */
    printf("%s\n", copy);
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
