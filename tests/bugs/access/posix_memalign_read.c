// expect: heap-use-after-free READ 4
// region: 512 of 1024
// linking: glibc musl
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    void *block;
    if (posix_memalign(&block, 256, 1024) != 0) /* ALLOC */
        return 2;
    int *items = block;
    items[128] = 7;
#ifdef BUG
    free(block); /* FREE */
#endif
    int item = items[128]; /* FAULT */
    printf("%d\n", item);
#ifndef BUG
    free(block);
#endif
    puts("survived");
    return 0;
}
