// exit: 139
#include <stdio.h>

int main(void) {
    puts("before");
    fflush(stdout);
    ((void (*)(void))0x123456)();
    return 0;
}
