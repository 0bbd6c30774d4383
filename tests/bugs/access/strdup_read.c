// expect: heap-use-after-free READ 1
// region: 1 of 6
// linking: glibc musl dynamic
// Allocated inside the C library.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *word = strdup("hello"); /* ALLOC */
#ifdef BUG
    free(word); /* FREE */
#endif
    char letter = word[1]; /* FAULT */
    printf("%c\n", letter);
#ifndef BUG
    free(word);
#endif
    puts("survived");
    return 0;
}
