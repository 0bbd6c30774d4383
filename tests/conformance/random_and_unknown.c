// linking: glibc musl
#define _GNU_SOURCE
#include "check.h"
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    unsigned char first[300] = {0}, second[300] = {0};
    CHECK(getrandom(first, 256, 0) == 256 && getrandom(second, 256, GRND_NONBLOCK) == 256);
    CHECK(memcmp(first, second, 256) != 0 && first[256] == 0);
    CHECK_ERRNO(getrandom(first, 1, 0xff), EINVAL);
    CHECK_ERRNO(syscall(9999), ENOSYS);
    CHECK_ERRNO(syscall(-5), ENOSYS);
    /* Only the low half of the number counts: this is read. */
    CHECK_ERRNO(syscall(1L << 40, -1, first, 1), EBADF);
    return 0;
}
