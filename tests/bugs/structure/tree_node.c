// expect: heap-use-after-free READ 8
// region: 16 of 24
#include <stdio.h>
#include <stdlib.h>

struct tree {
    long key;
    struct tree *left, *right;
};

static struct tree *make(long low, long high) {
    if (low > high)
        return NULL;
    struct tree *tree = malloc(sizeof *tree); /* ALLOC */
    tree->key = (low + high) / 2;
    tree->left = make(low, tree->key - 1);
    tree->right = make(tree->key + 1, high);
    return tree;
}

static void drop(struct tree *tree) {
    if (tree == NULL)
        return;
    drop(tree->left);
#ifdef BUG
    free(tree); /* FREE */
    drop(tree->right); /* FAULT */
#else
    drop(tree->right);
    free(tree);
#endif
}

int main(void) {
    drop(make(1, 100));
    puts("survived");
    return 0;
}
