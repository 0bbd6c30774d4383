// linking: glibc musl
#define _GNU_SOURCE
#include "check.h"
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* Whether the kernel can read the byte: asked without touching it. */
static int readable(const void *at) {
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    ssize_t count = write(ends[1], at, 1);
    close(ends[0]);
    close(ends[1]);
    return count == 1;
}

static int zeroed(const unsigned char *at, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (at[i] != 0)
            return 0;
    return 1;
}

int main(void) {
    unsigned char *block = mmap(NULL, 16 * PAGE, RW, ANON, -1, 0);
    CHECK(block != MAP_FAILED);
    CHECK((uintptr_t)block % PAGE == 0);
    CHECK(zeroed(block, 16 * PAGE));
    memset(block, 'a', 16 * PAGE);

    CHECK(munmap(block + 4 * PAGE, 2 * PAGE) == 0);
    CHECK(readable(block + 4 * PAGE - 1) && block[4 * PAGE - 1] == 'a');
    CHECK(!readable(block + 4 * PAGE) && !readable(block + 6 * PAGE - 1));
    CHECK(readable(block + 6 * PAGE) && block[6 * PAGE] == 'a');
    CHECK(munmap(block + 4 * PAGE, 2 * PAGE) == 0);

    CHECK(mmap(block + 4 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == block + 4 * PAGE);
    CHECK(zeroed(block + 4 * PAGE, PAGE));
    CHECK(mmap(block + 8 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == block + 8 * PAGE);
    CHECK(zeroed(block + 8 * PAGE, 2 * PAGE) && block[10 * PAGE] == 'a' && block[8 * PAGE - 1] == 'a');
    CHECK(mmap(block + 9 * PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
    CHECK(mmap(block + 5 * PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == block + 5 * PAGE);

    CHECK(mprotect(block + 12 * PAGE, PAGE, PROT_NONE) == 0);
    CHECK(!readable(block + 12 * PAGE) && readable(block + 11 * PAGE) && readable(block + 13 * PAGE));
    CHECK(mprotect(block + 12 * PAGE, PAGE, PROT_READ) == 0);
    CHECK(readable(block + 12 * PAGE) && block[12 * PAGE] == 'a');
    CHECK(mprotect(block + 12 * PAGE, PAGE, RW) == 0);
    block[12 * PAGE] = 'b';
    CHECK(block[12 * PAGE] == 'b');

    CHECK(madvise(block + 13 * PAGE, PAGE, MADV_DONTNEED) == 0);
    CHECK(zeroed(block + 13 * PAGE, PAGE) && block[14 * PAGE] == 'a');
    CHECK(munmap(block, 16 * PAGE) == 0);
    CHECK(!readable(block) && !readable(block + 15 * PAGE));

    CHECK_ERRNO(mmap(NULL, 0, RW, ANON, -1, 0), EINVAL);
    CHECK_ERRNO(mmap(NULL, PAGE, RW, 0x20, -1, 0), EINVAL);
    CHECK_ERRNO(mmap((void *)123, PAGE, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
    CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0), EBADF);
    CHECK_ERRNO(mmap(NULL, (size_t)1 << 62, RW, ANON, -1, 0), ENOMEM);
    CHECK_ERRNO(munmap((void *)123, PAGE), EINVAL);
    CHECK_ERRNO(munmap(NULL, (size_t)1 << 47), EINVAL);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(munmap(NULL, ((size_t)1 << 47) - PAGE));
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK_ERRNO(syscall(SYS_mprotect, 123, PAGE, RW), EINVAL);
    CHECK_ERRNO(mprotect((void *)((uintptr_t)block & ~4095ul), 16 * PAGE, PROT_READ), ENOMEM);

    /* A hint that is free is taken; an odd length covers its whole last page. */
    CHECK(mmap(block, PAGE + 1, RW, ANON, -1, 0) == block);
    block[2 * PAGE - 1] = 'z';
    CHECK(munmap(block, PAGE + 1) == 0 && !readable(block + PAGE));

    unsigned char *shared = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED && zeroed(shared, PAGE));
    shared[5] = 5;
    CHECK(munmap(shared, PAGE) == 0);

    unsigned char *large = mmap(NULL, (size_t)1 << 36, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
    CHECK(large != MAP_FAILED);
    CHECK(mprotect(large + ((size_t)1 << 35), PAGE, RW) == 0);
    large[(size_t)1 << 35] = 1;
    CHECK(readable(large + ((size_t)1 << 35)) && !readable(large + ((size_t)1 << 35) + PAGE));
    CHECK(munmap(large, (size_t)1 << 36) == 0);

    for (int i = 0; i < 3000; i++) {
        unsigned char *each = mmap(NULL, 3 * PAGE, RW, ANON, -1, 0);
        if (each == MAP_FAILED || each[PAGE] != 0)
            return 2;
        each[PAGE] = (unsigned char)i;
        munmap(each, 3 * PAGE);
    }
    puts("ok   many");
    return 0;
}
