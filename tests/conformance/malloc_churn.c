// linking: glibc musl
// Random sizes come and go; every byte of every object is checked when it goes.
#include "check.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 2000

static struct {
    unsigned char *at;
    size_t size;
    unsigned char fill;
} slots[SLOTS];

static uint64_t state = 88172645463325252u;

static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

int main(void) {
    long wrong = 0;
    for (int turn = 0; turn < 60000; turn++) {
        int i = (int)(next() % SLOTS);
        for (size_t b = 0; slots[i].at != NULL && b < slots[i].size; b++)
            wrong += slots[i].at[b] != slots[i].fill;
        size_t size = next() % 16 == 0 ? next() % 40000 : next() % 300;
        if (slots[i].at != NULL && next() % 3 == 0) {
            size_t keep = size < slots[i].size ? size : slots[i].size;
            slots[i].at = realloc(slots[i].at, size + 1);
            for (size_t b = 0; b < keep; b++)
                wrong += slots[i].at[b] != slots[i].fill;
        } else {
            free(slots[i].at);
            slots[i].at = next() % 2 == 0 ? malloc(size + 1) : calloc(size + 1, 1);
        }
        slots[i].size = size;
        slots[i].fill = (unsigned char)next();
        memset(slots[i].at, slots[i].fill, size);
    }
    CHECK(wrong == 0);
    for (int i = 0; i < SLOTS; i++)
        free(slots[i].at);
    puts("ok   freed");
    return 0;
}
