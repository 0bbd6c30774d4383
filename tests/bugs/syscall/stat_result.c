// expect: heap-use-after-free
// call: newfstatat 3
// region: 0 of 144
// oracle: blind
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int main(void) {
    struct stat *buffer = malloc(sizeof(struct stat)); /* ALLOC */
    memset(buffer, 0, sizeof *buffer);
#ifdef BUG
    free(buffer); /* FREE */
#endif
    int result = stat("/dev/null", buffer); /* FAULT */
    printf("%d\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
