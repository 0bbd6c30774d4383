// expect: heap-use-after-free
// linking: glibc dynamic
// oracle: blind
// Allocated, freed and used inside the C library: a stream after its fclose.
#include <stdio.h>

int main(void) {
    FILE *stream = fopen("/dev/null", "w"); /* ALLOC */
    fputs("one\n", stream);
#ifdef BUG
    fclose(stream); /* FREE */
#endif
    fputs("two\n", stream); /* FAULT */
#ifndef BUG
    fclose(stream);
#endif
    puts("survived");
    return 0;
}
