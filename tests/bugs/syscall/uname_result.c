// expect: heap-use-after-free
// call: uname 1
// region: 0 of 390
// oracle: blind
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

int main(void) {
    struct utsname *buffer = malloc(sizeof(struct utsname)); /* ALLOC */
    memset(buffer, 0, sizeof *buffer);
#ifdef BUG
    free(buffer); /* FREE */
#endif
    int result = uname(buffer); /* FAULT */
    printf("%d\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
