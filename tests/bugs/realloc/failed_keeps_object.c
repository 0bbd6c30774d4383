// expect: heap-use-after-free READ 4
// region: 4 of 64
// A realloc that fails leaves the object alone; the free after it does not.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *kept = malloc(64); /* ALLOC */
    kept[1] = 7;
    volatile size_t too_much = SIZE_MAX / 2;
    void *grown = realloc(kept, too_much);
    if (grown != NULL)
        return 2;
    printf("%d\n", kept[1]);
    fflush(stdout);
#ifdef BUG
    free(kept); /* FREE */
#endif
    printf("%d\n", kept[1]); /* FAULT */
#ifndef BUG
    free(kept);
#endif
    puts("survived");
    return 0;
}
