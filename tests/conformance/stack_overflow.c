// exit: 139
// linking: glibc musl
#include <stdio.h>

static volatile int levels;

__attribute__((noinline)) static int endless(int level) {
    volatile char frame[1024];
    frame[0] = (char)level;
    levels = level;
    return endless(level + 1) + frame[0];
}

int main(void) {
    puts("down");
    fflush(stdout);
    return endless(0);
}
