// expect: heap-use-after-free READ
// oracle: blind
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *text = malloc(64); /* ALLOC */
    int number = 0;
    strcpy(text, "77");
#ifdef BUG
    free(text); /* FREE */
#endif
    int count = sscanf(text, "%d", &number); /* FAULT */
    printf("%d %d\n", count, number);
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
