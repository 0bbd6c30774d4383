// linking: glibc musl
#define _GNU_SOURCE
#include "check.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static int readable(const void *at) {
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    ssize_t count = write(ends[1], at, 1);
    close(ends[0]);
    close(ends[1]);
    return count == 1;
}

int main(void) {
    char *area = mmap(NULL, 64 * PAGE, PROT_NONE, ANON, -1, 0);
    char *block = mmap(area, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
    memset(block, 'a', 4 * PAGE);
    block[3 * PAGE] = 'd';

    CHECK(mremap(block, 4 * PAGE, 2 * PAGE, 0) == block);
    CHECK(readable(block + PAGE) && !readable(block + 2 * PAGE));
    CHECK(mmap(block + 2 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == block + 2 * PAGE);

    /* Something lies behind it: it cannot grow in place. */
    CHECK_ERRNO(mremap(block, 4 * PAGE, 8 * PAGE, 0), ENOMEM);
    char *moved = mremap(block, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    CHECK(moved != MAP_FAILED && moved != block);
    CHECK(moved[0] == 'a' && moved[2 * PAGE] == 0 && moved[8 * PAGE - 1] == 0);
    CHECK(!readable(block));
    moved[7 * PAGE] = 'h';

    char *fixed = mremap(moved, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 32 * PAGE);
    CHECK(fixed == area + 32 * PAGE && fixed[0] == 'a' && fixed[7 * PAGE] == 'h');
    CHECK(!readable(moved));
    CHECK_ERRNO(mremap(moved, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE), EFAULT);
    CHECK_ERRNO(mremap(fixed + 1, PAGE, PAGE, 0), EINVAL);
    CHECK_ERRNO(mremap(fixed, PAGE, 0, 0), EINVAL);
    CHECK_ERRNO(mremap(fixed, PAGE, PAGE, MREMAP_FIXED, area), EINVAL);

    /* Large and page by page, so that content must really move along. */
    size_t size = 600 * PAGE;
    char *large = mmap(NULL, size, RW, ANON, -1, 0);
    for (size_t i = 0; i < size; i += PAGE)
        large[i] = (char)(i / PAGE);
    char *grown = mremap(large, size, 4 * size, MREMAP_MAYMOVE);
    int wrong = 0;
    for (size_t i = 0; i < size; i += PAGE)
        wrong += grown[i] != (char)(i / PAGE);
    CHECK(wrong == 0);
    CHECK(grown[4 * size - 1] == 0);
    CHECK(munmap(grown, 4 * size) == 0);
    return 0;
}
