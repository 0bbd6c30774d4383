// expect: bad-free
// oracle: blind
#include <stdio.h>
#include <stdlib.h>

static void nothing(void) {}

int main(void) {
    void *at = NULL;
#ifdef BUG
    at = (void *)nothing;
#endif
    free(at); /* FAULT */
    nothing();
    puts("survived");
    return 0;
}
