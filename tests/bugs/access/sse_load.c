// expect: heap-use-after-free READ 16
// region: 32 of 64
#include <emmintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *bytes = malloc(64); /* ALLOC */
    memset(bytes, 3, 64);
#ifdef BUG
    free(bytes); /* FREE */
#endif
    __m128i lanes = _mm_loadu_si128((const __m128i *)(bytes + 32)); /* FAULT */
    printf("%d\n", _mm_cvtsi128_si32(lanes));
#ifndef BUG
    free(bytes);
#endif
    puts("survived");
    return 0;
}
