// linking: glibc pie musl
// flags: -fno-builtin -O1
// The string functions that the C library picks by processor, at every length and alignment, against
// loops; and at the very end of a page.
#include "check.h"
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

int main(void) {
    unsigned char source[600], target[600];
    long wrong = 0;
    for (int i = 0; i < 600; i++)
        source[i] = (unsigned char)(i % 251 + 1);
    for (size_t length = 0; length < 300; length += length < 70 ? 1 : 13)
        for (size_t shift = 0; shift < 40; shift += 3) {
            memset(target, 0, sizeof target);
            memcpy(target + 7, source + shift, length);
            for (size_t i = 0; i < 600; i++)
                wrong += target[i] != (i >= 7 && i < 7 + length ? source[shift + i - 7] : 0);
            memmove(target + 10, target + 7, length);
            for (size_t i = 0; i < length; i++)
                wrong += target[10 + i] != source[shift + i];
            wrong += memcmp(target + 10, source + shift, length) != 0;
            target[10 + length] = 0;
            wrong += strlen((char *)target + 10) != length;
            wrong += length > 0 && memchr(source + shift, source[shift + length - 1], length) == NULL;
        }
    CHECK(wrong == 0);
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(munmap(pages + 4096, 4096) == 0);
    for (size_t length = 0; length < 200; length++) {
        char *at = pages + 4096 - length - 1;
        memset(at, 'a', length);
        at[length] = 0;
        wrong += strlen(at) != length || strchr(at, 'b') != NULL || strcmp(at, at) != 0;
    }
    CHECK(wrong == 0);
    return 0;
}
