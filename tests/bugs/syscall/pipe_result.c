// expect: heap-use-after-free
// call: pipe2 1
// region: 0 of 8
// oracle: blind
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    int *buffer = malloc(2 * sizeof(int)); /* ALLOC */
    buffer[0] = 0;
#ifdef BUG
    free(buffer); /* FREE */
#endif
    int result = pipe(buffer); /* FAULT */
    printf("%d\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
