// expect: heap-use-after-free
// call: getcwd 1
// region: 0 of 4096
// oracle: blind
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    char *buffer = malloc(4096); /* ALLOC */
    memset(buffer, 'a', 4096);
#ifdef BUG
    free(buffer); /* FREE */
#endif
    char *folder = getcwd(buffer, 4096); /* FAULT */
    printf("%d\n", folder != NULL);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
