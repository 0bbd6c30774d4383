// expect: heap-use-after-free READ 1
// region: 0 of 32
// The error path of a longjmp frees what the normal path has freed already to be looked at.
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf failed;

static void parse(char *text) {
    if (text[0] != '{') {
#ifdef BUG
        free(text); /* FREE */
#endif
        longjmp(failed, 1);
    }
}

int main(void) {
    char *text = malloc(32); /* ALLOC */
    strcpy(text, "[1, 2]");
    if (setjmp(failed) == 0) {
        parse(text);
    } else {
        char first = text[0]; /* FAULT */
        printf("unexpected %c\n", first);
#ifndef BUG
        free(text);
#endif
    }
    puts("survived");
    return 0;
}
