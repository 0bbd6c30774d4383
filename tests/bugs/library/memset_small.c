// expect: heap-use-after-free WRITE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *text = malloc(64); /* ALLOC */
    strcpy(text, "seven");
#ifdef BUG
    free(text); /* FREE */
#endif
    memset(text, 'x', 64); /* FAULT */
    puts("set");
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
