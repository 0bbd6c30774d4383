// expect: heap-use-after-free READ 4
// region: 0 of 16
// glibc frees the object here.
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *number = malloc(16); /* ALLOC */
    *number = 7;
#ifdef BUG
    if (realloc(number, 0) != NULL) /* FREE */
        return 2;
#endif
    printf("%d\n", *number); /* FAULT */
#ifndef BUG
    free(number);
#endif
    puts("survived");
    return 0;
}
