// expect: double-free
// region: 0 of 24
// The pattern that defeats glibc's own check.
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *first = malloc(24); /* ALLOC */
    char *second = malloc(24);
    free(first); /* FREE */
    free(second);
    char *third = malloc(24);
    char *fourth = malloc(24);
    third[0] = fourth[0] = 1;
#ifdef BUG
    free(first); /* FAULT */
#endif
    free(third);
    free(fourth);
    puts("survived");
    return 0;
}
