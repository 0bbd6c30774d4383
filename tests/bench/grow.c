// A vector that grows by realloc: to a gibibyte by doubling, and by steps of 64 KiB. The price of a
// step holds the first touch of what it adds, and of a line in what was there.

#include "bench.h"

static char *grown(char *vector, size_t from, size_t to)
{
    char *moved = realloc(vector, to);
    if (moved == NULL) {
        perror("realloc");
        exit(2);
    }
    for (size_t at = from; at < to; at += 4096)
        moved[at] = (char)(at >> 12);
    if (from > 0 && moved[from / 2 & ~4095ul] != (char)(from / 2 >> 12)) {
        fprintf(stderr, "the vector has lost its contents\n");
        exit(2);
    }
    return moved;
}

int main(int argc, char **argv)
{
    const size_t most = 1ul << 30, step = 64 << 10;
    long rounds = scaled(argc, argv, 2);
    struct moment start = moment();
    long steps = 0;
    for (long round = 0; round < rounds; round++) {
        char *vector = NULL;
        size_t size = 0;
        for (size_t next = 4096; next <= most; next *= 2, steps++) {
            vector = grown(vector, size, next);
            size = next;
        }
        free(vector);
    }
    report("double-to-1G", start, (double)steps);

    // The whole way costs 16384 steps; a small scale goes part of it.
    size_t end = step * (size_t)scaled(argc, argv, most / step);
    if (end > most)
        end = most;
    start = moment();
    char *vector = NULL;
    for (size_t size = 0; size < end; size += step)
        vector = grown(vector, size, size + step);
    free(vector);
    report("step-64K", start, (double)(end / step));
    return 0;
}
