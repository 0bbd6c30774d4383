// exit: 136
// linking: glibc musl
#include <stdio.h>

int main(void) {
    puts("before");
    fflush(stdout);
    volatile int zero = 0;
    return 5 / zero;
}
