// expect: bad-malloc_usable_size
// linking: glibc musl
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *block = malloc(100); /* ALLOC */
#ifdef BUG
    free(block); /* FREE */
#endif
    size_t size = malloc_usable_size(block); /* FAULT */
    printf("%d\n", size >= 100);
#ifndef BUG
    free(block);
#endif
    puts("survived");
    return 0;
}
