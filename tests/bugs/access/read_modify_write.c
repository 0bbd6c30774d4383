// expect: heap-use-after-free WRITE 4
// region: 0 of 16
// oracle: blind
// One instruction that reads and writes: the processor reports the write.
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *counter = malloc(16); /* ALLOC */
    *counter = 6;
#ifdef BUG
    free(counter); /* FREE */
#endif
    __asm__ volatile("incl (%0)" : : "r"(counter) : "memory", "cc"); /* FAULT */
#ifndef BUG
    printf("%d\n", *counter);
    free(counter);
#endif
    puts("survived");
    return 0;
}
