// exit: 133
#include <stdio.h>

int main(void) {
    puts("before");
    fflush(stdout);
    __asm__ volatile("int3");
    return 0;
}
