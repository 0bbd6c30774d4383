// expect: heap-use-after-free READ
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *text = malloc(64); /* ALLOC */
    strcpy(text, "1234");
#ifdef BUG
    free(text); /* FREE */
#endif
    long number = strtol(text, NULL, 10); /* FAULT */
    printf("%ld\n", number);
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
