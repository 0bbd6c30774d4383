// linking: glibc pie musl
// flags: -fno-builtin
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int filled(const unsigned char *at, size_t size, unsigned char value) {
    for (size_t i = 0; i < size; i++)
        if (at[i] != value)
            return 0;
    return 1;
}

int main(void) {
    volatile size_t sizes[] = {0,    1,    7,     8,     15,    16,    17,     24,      31,      32,      48,
                               63,   64,   100,   127,   128,   200,   256,    500,     512,     1000,    1024,
                               2000, 2048, 3000,  4095,  4096,  4097,  8192,   10000,   65536,   100000,  131072,
                               1 << 20, (2 << 20) - 1, 2 << 20, (2 << 20) + 1, 5000000, 64 << 20};
    int count = sizeof sizes / sizeof *sizes;
    unsigned char *blocks[sizeof sizes / sizeof *sizes];
    int wrong = 0;
    for (int i = 0; i < count; i++) {
        blocks[i] = malloc(sizes[i]);
        wrong += blocks[i] == NULL || (uintptr_t)blocks[i] % 16 != 0;
        wrong += malloc_usable_size(blocks[i]) < sizes[i];
        memset(blocks[i], i + 1, sizes[i]);
    }
    CHECK(wrong == 0);
    for (int i = 0; i < count; i++)
        wrong += !filled(blocks[i], sizes[i], (unsigned char)(i + 1));
    CHECK(wrong == 0);
    for (int i = 0; i < count; i++) {
        unsigned char *grown = realloc(blocks[i], 2 * sizes[i] + 10);
        wrong += grown == NULL || (uintptr_t)grown % 16 != 0 || !filled(grown, sizes[i], (unsigned char)(i + 1));
        memset(grown, i + 1, 2 * sizes[i] + 10);
        blocks[i] = realloc(grown, sizes[i] / 2 + 1);
        wrong += blocks[i] == NULL || !filled(blocks[i], sizes[i] / 2 + 1, (unsigned char)(i + 1));
    }
    CHECK(wrong == 0);
    for (int i = 0; i < count; i++)
        free(blocks[i]);
    for (int i = 0; i < count; i++) {
        blocks[i] = calloc(1, sizes[i]);
        wrong += blocks[i] == NULL || !filled(blocks[i], sizes[i], 0);
        memset(blocks[i], 0xff, sizes[i]);
        free(blocks[i]);
        blocks[i] = calloc(sizes[i], 1);
        wrong += blocks[i] == NULL || !filled(blocks[i], sizes[i], 0);
        free(blocks[i]);
    }
    CHECK(wrong == 0);

    for (size_t align = 8; align <= 4 << 20; align *= 2) {
        void *at = NULL;
        wrong += posix_memalign(&at, align, 100) != 0 || (uintptr_t)at % align != 0;
        memset(at, 1, 100);
        free(at);
        at = aligned_alloc(align, 2 * align);
        wrong += at == NULL || (uintptr_t)at % align != 0;
        memset(at, 1, 2 * align);
        free(at);
        at = memalign(align, 3 * align + 1);
        wrong += at == NULL || (uintptr_t)at % align != 0 || malloc_usable_size(at) < 3 * align + 1;
        memset(at, 1, 3 * align + 1);
        unsigned char *moved = realloc(at, 5 * align);
        wrong += moved == NULL || !filled(moved, 3 * align + 1, 1);
        free(moved);
    }
    CHECK(wrong == 0);

    void *kept = (void *)1;
    CHECK(posix_memalign(&kept, 3, 100) == EINVAL && kept == (void *)1);
    CHECK(posix_memalign(&kept, 4, 100) == EINVAL);
    CHECK(posix_memalign(&kept, 24, 100) == EINVAL);
    volatile size_t huge = SIZE_MAX;
    CHECK(posix_memalign(&kept, 16, huge - 100) == ENOMEM && kept == (void *)1);

    errno = 0;
    CHECK(malloc(huge) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(malloc(huge / 2) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(malloc((size_t)PTRDIFF_MAX + 1) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(malloc((size_t)1 << 55) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(calloc(huge, 2) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(calloc(huge / 16 + 2, 16) == NULL && errno == ENOMEM);
    unsigned char *block = malloc(100);
    memset(block, 5, 100);
    errno = 0;
    CHECK(realloc(block, huge - 5) == NULL && errno == ENOMEM && filled(block, 100, 5));
    errno = 0;
    CHECK(reallocarray(block, huge / 8, 16) == NULL && errno == ENOMEM && filled(block, 100, 5));
    block = reallocarray(block, 100, 20);
    CHECK(block != NULL && filled(block, 100, 5));
    errno = 77;
    free(block);
    free(NULL);
    CHECK(errno == 77);
    block = malloc(10);
    CHECK(errno == 77);
    free(block);
    block = realloc(NULL, 50);
    CHECK(block != NULL);
    free(block);
    CHECK(malloc_usable_size(NULL) == 0);
    void *nothing = malloc(0), *other = malloc(0);
    CHECK(nothing != NULL && other != NULL && nothing != other);
    free(nothing);
    free(other);
    return 0;
}
