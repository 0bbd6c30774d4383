// expect: heap-use-after-free READ 4
#include <stdio.h>
#include <stdlib.h>

static int ascending(const void *left, const void *right) {
    int difference = *(const int *)left - *(const int *)right; /* FAULT */
    return difference;
}

int main(void) {
    int numbers[] = {1, 3, 5, 7, 9};
    int *key = malloc(sizeof *key); /* ALLOC */
    *key = 7;
#ifdef BUG
    free(key); /* FREE */
#endif
    int *found = bsearch(key, numbers, 5, sizeof *numbers, ascending);
    printf("%d\n", found == &numbers[3]);
#ifndef BUG
    free(key);
#endif
    puts("survived");
    return 0;
}
