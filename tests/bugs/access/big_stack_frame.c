// expect: heap-use-after-free WRITE 1
// flags: -O2
// The faulty function has a large frame and changes the stack pointer as it runs.
#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noipa)) static int fill(char *out, size_t size) {
    char *copy = alloca(size);
    memset(copy, 'x', size);
    *(volatile char *)out = copy[size / 2]; /* FAULT */
    return copy[0];
}

int main(void) {
    char *out = malloc(1); /* ALLOC */
#ifdef BUG
    free(out); /* FREE */
#endif
    printf("%d\n", fill(out, 100000));
#ifndef BUG
    free(out);
#endif
    puts("survived");
    return 0;
}
