// expect: heap-use-after-free WRITE
// oracle: forgetful
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *text = malloc(64); /* ALLOC */
    strcpy(text, "seven");
#ifdef BUG
    free(text); /* FREE */
#endif
    int length = snprintf(text, 64, "%d-%d", 12, 34); /* FAULT */
    printf("%d\n", length);
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
