// exit: 139
// Data cannot be executed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    unsigned char *code = malloc(16);
    code[0] = 0xc3;
    puts("before");
    fflush(stdout);
    ((void (*)(void))code)();
    puts("after");
    return 0;
}
