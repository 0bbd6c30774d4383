// expect: double-free
// region: 0 of 512
// The callee frees on failure, and so does the caller.
#include <stdio.h>
#include <stdlib.h>

static int fill(char *buffer, int fail) {
    if (fail) {
#ifdef BUG
        free(buffer); /* FREE */
#endif
        return -1;
    }
    buffer[0] = 1;
    return 0;
}

int main(void) {
    char *buffer = malloc(512); /* ALLOC */
    if (fill(buffer, 1) != 0) {
        free(buffer); /* FAULT */
        puts("survived");
        return 0;
    }
    return 2;
}
