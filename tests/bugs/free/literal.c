// expect: bad-free
// oracle: blind
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *name = "unnamed";
#ifndef BUG
    name = strdup(name);
#endif
    free(name); /* FAULT */
    puts("survived");
    return 0;
}
