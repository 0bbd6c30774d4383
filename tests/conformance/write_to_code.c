// exit: 139
#include <stdio.h>

int main(void) {
    puts("before");
    fflush(stdout);
    *(volatile char *)main = 1;
    puts("after");
    return 0;
}
