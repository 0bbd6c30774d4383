// expect: heap-use-after-free WRITE
// oracle: blind
// A stream goes on writing to the buffer that it was lent.
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *buffer = malloc(8192); /* ALLOC */
    FILE *stream = fopen("/dev/null", "w");
    setvbuf(stream, buffer, _IOFBF, 8192);
    fputs("one\n", stream);
#ifdef BUG
    free(buffer); /* FREE */
#endif
    fputs("two\n", stream); /* FAULT */
#ifndef BUG
    fclose(stream);
    free(buffer);
#endif
    puts("survived");
    return 0;
}
