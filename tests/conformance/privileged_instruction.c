// exit: 139
// What the kernel alone may do is a fault, in whatever ring the program runs.
#include <stdio.h>

int main(void) {
    puts("before");
    fflush(stdout);
    __asm__ volatile("hlt");
    puts("after");
    return 0;
}
