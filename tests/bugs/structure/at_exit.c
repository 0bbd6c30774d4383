// expect: heap-use-after-free READ 1
// region: 0 of 10
// linking: glibc musl dynamic musl-dynamic
// The access comes after main has returned.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *message;

static void farewell(void) {
    putchar(message[0]); /* FAULT */
    putchar('\n');
}

int main(void) {
    message = malloc(10); /* ALLOC */
    strcpy(message, "bye");
    atexit(farewell);
#ifdef BUG
    free(message); /* FREE */
#endif
    return 0;
}
