// Touching memory for the first time: each page of an anonymous mapping, and mapping itself. The
// mapping is new each time, so a page's price holds what giving it back costs.

#include "bench.h"
#include <sys/mman.h>

static char *map(size_t bytes)
{
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    return memory;
}

static void unmap(char *memory, size_t bytes)
{
    if (munmap(memory, bytes) != 0) {
        perror("munmap");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    const size_t page = 4096, small = 16 * page, large = 16 << 20;
    long rounds = scaled(argc, argv, 8);
    struct moment start = moment();
    for (long round = 0; round < rounds; round++) {
        char *memory = map(large);
        for (size_t at = 0; at < large; at += page)
            memory[at] = 1;
        unmap(memory, large);
    }
    report("page-of-16M", start, (double)rounds * (large / page));

    rounds = scaled(argc, argv, 500);
    start = moment();
    for (long round = 0; round < rounds; round++) {
        char *memory = map(small);
        for (size_t at = 0; at < small; at += page)
            memory[at] = 1;
        unmap(memory, small);
    }
    report("page-of-64K", start, (double)rounds * (small / page));
    return 0;
}
