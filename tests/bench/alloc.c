// Allocating: one object at a time, of one size and of many; a live set whose members are replaced at
// random; and objects that stay. One operation is one malloc, with its free where there is one.

#include "bench.h"

static void *object(size_t size)
{
    char *volatile memory = malloc(size);
    if (memory == NULL) {
        perror("malloc");
        exit(2);
    }
    memory[0] = 1;
    return memory;
}

int main(int argc, char **argv)
{
    enum { LIVE = 20000 };
    static void *live[LIVE];
    long count = scaled(argc, argv, 400000);
    unsigned random = 1;

    struct moment start = moment();
    for (long i = 0; i < count; i++)
        free(object(48));
    report("pair-48", start, count);

    start = moment();
    for (long i = 0; i < count; i++) {
        random = random * 1103515245 + 12345;
        free(object(16 + (random >> 12) % 1009));
    }
    report("pair-16..1024", start, count);

    start = moment();
    for (long i = 0; i < count; i++) {
        random = random * 1103515245 + 12345;
        unsigned which = (random >> 8) % LIVE;
        free(live[which]);
        live[which] = object(16 + (random >> 16) % 496);
    }
    report("churn-16..511", start, count);

    start = moment();
    for (long i = 0; i < count; i++)
        object(48);
    report("keep-48", start, count);
    return 0;
}
