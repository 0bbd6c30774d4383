// expect: heap-use-after-free READ
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *text = malloc(300000); /* ALLOC */
    static char copy[300000];
    memset(text, 3, 300000);
#ifdef BUG
    free(text); /* FREE */
#endif
    memcpy(copy, text, 300000); /* FAULT */
    printf("%d\n", copy[299999]);
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
