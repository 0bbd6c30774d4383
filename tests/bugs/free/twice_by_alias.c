// expect: double-free
// region: 0 of 100
#include <stdio.h>
#include <stdlib.h>

struct view {
    char *start, *end;
};

int main(void) {
    char *block = malloc(100); /* ALLOC */
    struct view view = {block, block + 100};
    free(block); /* FREE */
#ifdef BUG
    free(view.start); /* FAULT */
#endif
    puts("survived");
    return view.end == NULL;
}
