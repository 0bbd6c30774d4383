// expect: heap-use-after-free READ
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

int main(void) {
    char *text = malloc(64); /* ALLOC */
    wcscpy((wchar_t *)text, L"seven");
#ifdef BUG
    free(text); /* FREE */
#endif
    size_t length = wcslen((const wchar_t *)text); /* FAULT */
    printf("%zu\n", length);
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
