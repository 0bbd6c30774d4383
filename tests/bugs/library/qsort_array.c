// expect: heap-use-after-free
// The array itself is gone: the sort or its comparator meets it first.
#include <stdio.h>
#include <stdlib.h>

static int ascending(const void *left, const void *right) {
    return *(const int *)left - *(const int *)right;
}

int main(void) {
    int *numbers = malloc(100 * sizeof *numbers); /* ALLOC */
    for (int i = 0; i < 100; i++)
        numbers[i] = i * 37 % 100;
#ifdef BUG
    free(numbers); /* FREE */
#endif
    qsort(numbers, 100, sizeof *numbers, ascending); /* FAULT */
    printf("%d %d\n", numbers[0], numbers[99]);
#ifndef BUG
    free(numbers);
#endif
    puts("survived");
    return 0;
}
