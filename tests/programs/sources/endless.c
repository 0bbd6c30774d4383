// Allocates and frees without end, with few objects live at a time, each of which is checked when it
// goes. Its only argument is how many allocations there are.
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LIVE = 60 };

struct item {
    uint64_t value;
    size_t size;
};

static uint64_t seed = 88172645463325252u;

static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

int main(int argc, char **argv) {
    static struct item *live[LIVE];
    long count = argc > 1 ? atol(argv[1]) : 1000000;
    for (long step = 0; step < count; step++) {
        uint64_t random = next();
        struct item **at = &live[random % LIVE];
        if (*at != NULL) {
            unsigned char *end = (unsigned char *)*at + (*at)->size - 1;
            if ((*at)->value != (uintptr_t)*at + (*at)->size || *end != 0x5a) {
                printf("step %ld: an object has changed\n", step);
                return 1;
            }
            free(*at);
        }
        size_t size = sizeof **at + 8 + (random >> 32) % (random >> 20 & 255 ? 500 : 20000);
        *at = malloc(size);
        if (*at == NULL) {
            printf("step %ld: no memory for %zu bytes\n", step, size);
            return 1;
        }
        ((unsigned char *)*at)[size - 1] = 0x5a;
        (*at)->value = (uintptr_t)*at + size;
        (*at)->size = size;
    }
    printf("%ld allocations\n", count);
    return 0;
}
