// linking: glibc musl
// A pointer that leads nowhere is EFAULT from every call, never a crash.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

int main(void) {
    char *constant = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *good = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(munmap(good + PAGE, PAGE) == 0);
    char *bad = good + PAGE;
    void *places[] = {bad, NULL, (void *)8, (void *)0x7ffffffff000, (void *)0x800000000000,
                      (void *)0xffff800000000000, (void *)-1, (void *)-4096};
    int ends[2], sockets[2];
    CHECK(pipe(ends) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    int zero = open("/dev/zero", O_RDONLY);

    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        void *at = places[i];
        printf("     place %u\n", i);
        CHECK_ERRNO(syscall(SYS_write, ends[1], at, 10), EFAULT);
        CHECK_ERRNO(syscall(SYS_read, zero, at, 10), EFAULT);
        CHECK_ERRNO(syscall(SYS_open, at, O_RDONLY), EFAULT);
        CHECK_ERRNO(syscall(SYS_openat, AT_FDCWD, at, O_RDONLY), EFAULT);
        CHECK_ERRNO(syscall(SYS_stat, at, good), EFAULT);
        CHECK_ERRNO(syscall(SYS_stat, "/", at), EFAULT);
        CHECK_ERRNO(syscall(SYS_fstat, zero, at), EFAULT);
        CHECK_ERRNO(syscall(SYS_pipe, at), EFAULT);
        CHECK_ERRNO(syscall(SYS_uname, at), EFAULT);
        CHECK_ERRNO(syscall(SYS_getcwd, at, 100), EFAULT);
        CHECK_ERRNO(syscall(SYS_clock_gettime, 12345, at), EINVAL);
        CHECK_ERRNO(syscall(SYS_getrandom, at, 10, 0), EFAULT);
        CHECK_ERRNO(syscall(SYS_writev, ends[1], at, 2), EFAULT);
        CHECK_ERRNO(syscall(SYS_poll, at, 1, 0), EFAULT);
        CHECK_ERRNO(syscall(SYS_nanosleep, at, NULL), EFAULT);
        CHECK_ERRNO(syscall(SYS_sendto, sockets[0], at, 10, 0, NULL, 0), EFAULT);
        CHECK_ERRNO(syscall(SYS_readlink, at, good, 100), EFAULT);
    }

    /* Over the border of what is mapped. */
    memset(good, 'a', PAGE);
    CHECK_ERRNO(open(bad - 10, O_RDONLY), EFAULT);
    CHECK(write(ends[1], bad - 10, 10) == 10);
    CHECK(read(ends[0], good, 100) == 10);
    CHECK(read(zero, bad - 10, 10) == 10 && bad[-1] == 0);
    CHECK_ERRNO(read(zero, constant, 10), EFAULT);
    CHECK(write(ends[1], constant, 10) == 10);
    strcpy(bad - 2, "/");
    CHECK(open(bad - 2, O_RDONLY) >= 0);
    struct iovec parts[] = {{good, 4}, {bad, 4}};
    CHECK(writev(ends[1], parts, 1) == 4);
    struct iovec wrong[] = {{bad, 4}, {good, 4}};
    CHECK_ERRNO(writev(ends[1], wrong, 2), EFAULT);
    CHECK_ERRNO(writev(ends[1], parts, -1), EINVAL);
    CHECK_ERRNO(writev(ends[1], parts, 1025), EINVAL);
    CHECK_ERRNO(read(-1, bad, 10), EBADF);
    CHECK(write(ends[1], bad, 0) == 0);
    return 0;
}
