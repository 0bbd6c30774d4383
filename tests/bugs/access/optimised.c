// expect: heap-use-after-free READ 4
// region: 4 of 8
// flags: -O2 -fomit-frame-pointer
// linking: glibc pie musl
// No frame pointers: the stacks need the unwind tables.
#include <stdio.h>
#include <stdlib.h>

struct pair {
    int left, right;
};

__attribute__((noipa)) static struct pair *make(int left) {
    struct pair *pair = malloc(sizeof *pair); /* ALLOC */
    pair->left = left;
    pair->right = left + 1;
    return pair;
}

__attribute__((noipa)) static void drop(struct pair *pair) {
    free(pair); /* FREE */
    __asm__ volatile("");
}

__attribute__((noipa)) static int right_of(const struct pair *pair) {
    return pair->right; /* FAULT */
}

int main(void) {
    struct pair *pair = make(3);
#ifdef BUG
    drop(pair);
#endif
    printf("%d\n", right_of(pair));
#ifndef BUG
    drop(pair);
#endif
    puts("survived");
    return 0;
}
