// linking: glibc
// Memory that a program has freed goes back to the host: its resident set shrinks.
#include "check.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOTAL = 192 << 20 };

static long resident_mib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
        return -1;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE) >> 20;
}

int main(void) {
    static char *blocks[1 << 16];
    static const size_t sizes[] = {100, 1000, 4000, 20000, 300000, 3000000};
    long start = resident_mib();
    CHECK(start >= 0);
    int count = 0;
    for (size_t total = 0; total < TOTAL; count++) {
        size_t size = sizes[count % 6];
        blocks[count] = malloc(size);
        memset(blocks[count], 1, size);
        total += size;
    }
    CHECK(resident_mib() >= TOTAL >> 20);
    while (count > 0)
        free(blocks[--count]);
    malloc_trim(0);
    CHECK(resident_mib() <= start + 32);
    puts("end");
    return 0;
}
