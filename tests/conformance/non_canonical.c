// exit: 139
// A general protection fault, not a page fault.
#include <stdio.h>

int main(void) {
    puts("before");
    fflush(stdout);
    return *(volatile char *)0x8000000000000000;
}
