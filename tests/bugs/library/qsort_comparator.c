// expect: heap-use-after-free READ 4
// region: 4 of 8
// linking: glibc musl dynamic
// An element's target is gone: found in a callback from the C library.
#include <stdio.h>
#include <stdlib.h>

struct item {
    int name, weight;
};

static int by_weight(const void *left, const void *right) {
    const struct item *a = *(struct item *const *)left;
    const struct item *b = *(struct item *const *)right;
    int difference = a->weight - b->weight; /* FAULT */
    return difference;
}

int main(void) {
    struct item *items[20];
    for (int i = 0; i < 20; i++) {
        items[i] = malloc(sizeof **items); /* ALLOC */
        items[i]->name = i;
        items[i]->weight = i * 7 % 20;
    }
#ifdef BUG
    free(items[13]); /* FREE */
#endif
    qsort(items, 20, sizeof *items, by_weight);
    printf("%d\n", items[0]->name);
#ifndef BUG
    for (int i = 0; i < 20; i++)
        free(items[i]);
#endif
    puts("survived");
    return 0;
}
