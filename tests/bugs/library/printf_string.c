// expect: heap-use-after-free READ
// linking: glibc musl dynamic
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *text = malloc(64); /* ALLOC */
    strcpy(text, "seven");
#ifdef BUG
    free(text); /* FREE */
#endif
    printf("%s\n", text); /* FAULT */
    fflush(stdout);
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
