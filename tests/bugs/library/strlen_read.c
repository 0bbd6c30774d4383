// expect: heap-use-after-free READ
// linking: glibc pie musl dynamic
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *text = malloc(64); /* ALLOC */
    strcpy(text, "seven");
#ifdef BUG
    free(text); /* FREE */
#endif
    size_t length = strlen(text); /* FAULT */
    printf("%zu\n", length);
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
