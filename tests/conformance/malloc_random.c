/* Random sizes and alignments, sensible and not: each call gives the standard's answer. */
#include "check.h"
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 88172645463325252u;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Sizes of all magnitudes, and those around which sums overflow. */
static size_t size(void)
{
    switch (next() % 8) {
    case 0: return SIZE_MAX - next() % 8192;
    case 1: return PTRDIFF_MAX + next() % 64 - 32;
    case 2: return next() >> (38 + next() % 20);
    case 3: return next() % 3;
    default: return next() % (1u << next() % 15);
    }
}

static size_t alignment(void)
{
    return next() % 3 ? (size_t)1 << next() % 64 : size();
}

static int power(size_t of)
{
    return of && !(of & (of - 1));
}

/* The object can be used, and then is gone. Answers whether it was as wanted. */
static int use(char *at, size_t bytes, size_t align)
{
    if (!at)
        return errno == ENOMEM || errno == EINVAL;
    int good = (uintptr_t)at % align == 0 && malloc_usable_size(at) >= bytes && bytes <= PTRDIFF_MAX;
    if (bytes) {
        at[0] = 1;
        at[bytes - 1] = 2;
    }
    free(at);
    return good;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? atol(argv[1]) : 300;
    long bad = 0, given = 0;
    for (long round = 0; round < rounds; round++) {
        size_t bytes = size(), count = size(), align = alignment();
        errno = 0;
        char *at = malloc(bytes);
        given += at != NULL;
        bad += !use(at, bytes, 8);
        errno = 0;
        at = calloc(count, bytes);
        size_t product;
        if (__builtin_mul_overflow(count, bytes, &product))
            bad += at != NULL || errno != ENOMEM;
        else {
            bad += at && product && (at[0] || at[product / 2] || at[product - 1]);
            bad += !use(at, product, 8);
        }
        errno = 0;
        at = reallocarray(NULL, count, bytes);
        if (__builtin_mul_overflow(count, bytes, &product))
            bad += at != NULL || errno != ENOMEM;
        else
            bad += !use(at, product, 8);
        void *to = (void *)1;
        int error = posix_memalign(&to, align, bytes);
        if (!power(align) || align % sizeof(void *))
            bad += error != EINVAL;
        else if (error)
            bad += error != ENOMEM;
        else
            bad += !use(to, bytes, align);
        char *kept = malloc(100);
        memset(kept, 7, 100);
        errno = 0;
        at = realloc(kept, bytes ? bytes : 1);
        if (at) {
            size_t least = bytes < 100 ? bytes : 100;
            bad += least && (at[0] != 7 || at[least - 1] != 7);
            free(at);
        } else {
            bad += errno != ENOMEM || kept[99] != 7;
            free(kept);
        }
    }
    CHECK(bad == 0);
    CHECK(given > 0);
    return 0;
}
