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
    int order = strcmp(text, "seven"); /* FAULT */
    printf("%d\n", order);
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
