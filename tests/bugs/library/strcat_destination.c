// expect: heap-use-after-free
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *text = malloc(64); /* ALLOC */
    strcpy(text, "seven");
#ifdef BUG
    free(text); /* FREE */
#endif
    strcat(text, "teen"); /* FAULT */
    puts("joined");
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
