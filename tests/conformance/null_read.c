// exit: 139
// linking: glibc pie musl
#include <stdio.h>

int main(void) {
    puts("before");
    fflush(stdout);
    int *volatile nothing = NULL;
    return *nothing;
}
