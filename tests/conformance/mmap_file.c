// linking: glibc musl
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define RW (PROT_READ | PROT_WRITE)

int main(void) {
    int file = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char page[PAGE];
    for (int i = 0; i < 4; i++) {
        memset(page, 'a' + i, PAGE);
        CHECK(write(file, page, PAGE) == PAGE);
    }
    CHECK(write(file, "tail", 4) == 4);

    char *private = mmap(NULL, 5 * PAGE, RW, MAP_PRIVATE, file, 0);
    CHECK(private != MAP_FAILED);
    CHECK(private[0] == 'a' && private[3 * PAGE] == 'd');
    CHECK(memcmp(private + 4 * PAGE, "tail", 5) == 0 && private[5 * PAGE - 1] == 0);
    private[0] = 'X';
    CHECK(pread(file, page, 1, 0) == 1 && page[0] == 'a');
    CHECK(pwrite(file, "Y", 1, PAGE) == 1 && private[PAGE] == 'Y');

    char *shared = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, file, 2 * PAGE);
    CHECK(shared != MAP_FAILED && shared[0] == 'c');
    shared[1] = 'Z';
    CHECK(msync(shared, 2 * PAGE, MS_SYNC) == 0);
    CHECK(pread(file, page, 2, 2 * PAGE) == 2 && page[1] == 'Z');
    CHECK(private[2 * PAGE + 1] == 'Z');
    CHECK(pwrite(file, "W", 1, 3 * PAGE + 7) == 1 && shared[PAGE + 7] == 'W');

    /* A system call may read from and write into a file mapping. */
    CHECK(pwrite(file, shared, 2, 4 * PAGE) == 2);
    CHECK(pread(file, private, 4, 4 * PAGE) == 4 && memcmp(private, "cZil", 4) == 0);
    CHECK(mprotect(private, PAGE, PROT_READ) == 0);
    CHECK_ERRNO(pread(file, private, 4, 0), EFAULT);

    CHECK(munmap(private + PAGE, PAGE) == 0 && private[2 * PAGE] == 'c');
    CHECK(munmap(private, 5 * PAGE) == 0);
    CHECK(munmap(shared, 2 * PAGE) == 0);

    int reader = open("data", O_RDONLY);
    CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_SHARED, reader, 0), EACCES);
    CHECK(mmap(NULL, PAGE, RW, MAP_PRIVATE, reader, 0) != MAP_FAILED);
    CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, reader, 100), EINVAL);
    CHECK(close(reader) == 0);
    /* A mapping outlives its descriptor. */
    char *kept = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    CHECK(kept[0] == 'a');
    CHECK(unlink("data") == 0 && kept[1] == 'a');
    return 0;
}
