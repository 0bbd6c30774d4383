// Allocating: one object at a time, of one size and of many; a live set whose members are replaced at
// random; objects that stay; and what memory a million of mixed sizes take. One operation is one
// malloc, with its free where there is one. Names of cases to run may follow the scale.

#include "bench.h"
#include <string.h>
#include <unistd.h>

enum { LIVE = 100000, MANY = 1000000 };

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

static unsigned long state = 88172645463325252;

static unsigned next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state >> 32;
}

static void pair_fixed(long count)
{
    for (long i = 0; i < count; i++)
        free(object(48));
}

static void pair_random(long count)
{
    for (long i = 0; i < count; i++)
        free(object(16 + next() % 1009));
}

static void *live[LIVE];

static void churn(long count)
{
    for (long i = 0; i < count; i++) {
        unsigned random = next();
        unsigned which = (random >> 8) % LIVE;
        free(live[which]);
        live[which] = object(16 + random % 496);
    }
}

static void keep(long count)
{
    for (long i = 0; i < count; i++)
        object(48);
}

// Mostly small, some up to 2 KiB: a million live objects, of which as many again are replaced.
static size_t mixed_size(void)
{
    unsigned random = next();
    return random % 16 ? 16 + (random >> 8) % 240 : 256 + (random >> 8) % 1792;
}

static void mixed(long count)
{
    void **many = calloc(MANY, sizeof(*many));
    for (long i = 0; i < MANY; i++) {
        size_t size = mixed_size();
        many[i] = memset(object(size), 1, size);
    }
    for (long i = 0; i < count; i++) {
        unsigned which = next() % MANY;
        size_t size = mixed_size();
        free(many[which]);
        many[which] = memset(object(size), 1, size);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(long count);
        long count;
        long warm;
    } cases[] = {
        {"pair-48", pair_fixed, 4000000, 200000},
        {"pair-16..1024", pair_random, 2000000, 200000},
        {"churn-100k", churn, 1500000, 1000000},
        {"keep-48", keep, 400000, 1000},
        {"mixed-1M", mixed, 1000000, 0},
    };
    for (size_t at = 0; at < sizeof(cases) / sizeof(*cases); at++) {
        int wanted = argc <= 2;
        for (int i = 2; i < argc; i++)
            wanted |= strcmp(argv[i], cases[at].name) == 0;
        if (!wanted)
            continue;
        long count = scaled(argc, argv, cases[at].count);
        cases[at].run(cases[at].warm);
        struct moment start = moment();
        cases[at].run(count);
        report(cases[at].name, start, count);
        fflush(stdout);
    }
    return 0;
}
