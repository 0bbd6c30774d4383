// expect: heap-use-after-free WRITE
// region: 0 of 256
// oracle: blind
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *bytes = malloc(256); /* ALLOC */
    bytes[255] = 1;
#ifdef BUG
    free(bytes); /* FREE */
#endif
    char *at = bytes;
    long count = 256;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(0) : "memory"); /* FAULT */
#ifndef BUG
    printf("%d\n", bytes[255]);
    free(bytes);
#endif
    puts("survived");
    return 0;
}
