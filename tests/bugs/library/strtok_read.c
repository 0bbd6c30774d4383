// expect: heap-use-after-free
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *text = malloc(64); /* ALLOC */
    strcpy(text, "seven eight");
#ifdef BUG
    free(text); /* FREE */
#endif
    char *word = strtok(text, " "); /* FAULT */
    printf("%s\n", word);
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
