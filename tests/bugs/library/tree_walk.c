// expect: heap-use-after-free READ 4
#include <search.h>
#include <stdio.h>
#include <stdlib.h>

static int compare(const void *left, const void *right) {
    return *(const int *)left - *(const int *)right;
}

static void show(const void *node, VISIT order, int depth) {
    if (order == postorder || order == leaf)
        printf("%d\n", **(int *const *)node); /* FAULT */
    fflush(stdout);
    (void)depth;
}

int main(void) {
    void *root = NULL;
    int *numbers[8];
    for (int i = 0; i < 8; i++) {
        numbers[i] = malloc(sizeof **numbers); /* ALLOC */
        *numbers[i] = i * 3 % 8;
        tsearch(numbers[i], &root, compare);
    }
#ifdef BUG
    free(numbers[5]); /* FREE */
#endif
    twalk(root, show);
    puts("survived");
    return 0;
}
