// exit: 42
// linking: glibc pie musl
#include <stdio.h>
#include <stdlib.h>

static void last(void) {
    puts("last");
}

int main(void) {
    atexit(last);
    printf("no line end, flushed at exit");
    exit(256 * 7 + 42);
}
