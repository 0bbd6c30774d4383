// expect: heap-use-after-free WRITE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *text = malloc(2000000); /* ALLOC */
    text[0] = 0;
#ifdef BUG
    free(text); /* FREE */
#endif
    memset(text, 'x', 2000000); /* FAULT */
    puts("set");
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
