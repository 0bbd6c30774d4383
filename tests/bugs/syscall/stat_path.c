// expect: heap-use-after-free
// call: newfstatat 2
// region: 0 of 64
// oracle: blind
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int main(void) {
    struct stat data;
    char *buffer = malloc(64); /* ALLOC */
    strcpy(buffer, "/dev/null");
#ifdef BUG
    free(buffer); /* FREE */
#endif
    int result = stat(buffer, &data); /* FAULT */
    printf("%d\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
