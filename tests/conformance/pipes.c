// linking: glibc musl
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void) {
    int ends[2];
    char text[64] = "";
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    CHECK(fcntl(ends[0], F_GETFD) == FD_CLOEXEC);
    CHECK(write(ends[1], "hello", 5) == 5);
    int waiting = 0;
    CHECK(ioctl(ends[0], FIONREAD, &waiting) == 0 && waiting == 5);
    CHECK(read(ends[0], text, 3) == 3 && memcmp(text, "hel", 3) == 0);
    CHECK(read(ends[0], text, 60) == 2 && memcmp(text, "lo", 2) == 0);
    CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK((fcntl(ends[0], F_GETFL) & O_NONBLOCK) != 0);
    CHECK_ERRNO(read(ends[0], text, 1), EAGAIN);
    CHECK_ERRNO(lseek(ends[0], 0, SEEK_SET), ESPIPE);
    CHECK_ERRNO(write(ends[0], text, 1), EBADF);

    /* More than a pipe holds, a part at a time. */
    CHECK(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    char *block = malloc(1 << 20), *back = malloc(1 << 20);
    for (int i = 0; i < 1 << 20; i++)
        block[i] = (char)(i * 31);
    size_t sent = 0, got = 0;
    while (got < 1 << 20) {
        ssize_t count = write(ends[1], block + sent, (1 << 20) - sent);
        sent += count > 0 ? (size_t)count : 0;
        count = read(ends[0], back + got, (1 << 20) - got);
        got += count > 0 ? (size_t)count : 0;
    }
    CHECK(memcmp(block, back, 1 << 20) == 0);
    free(block);
    free(back);

    int copy = dup(ends[1]);
    CHECK(close(ends[1]) == 0);
    CHECK(write(copy, "x", 1) == 1 && read(ends[0], text, 10) == 1);
    CHECK(close(copy) == 0);
    CHECK(read(ends[0], text, 10) == 0);
    CHECK_ERRNO(close(copy), EBADF);
    CHECK(dup2(ends[0], 77) == 77 && close(77) == 0);
    CHECK(fcntl(ends[0], F_DUPFD, 50) == 50 && close(50) == 0);
    CHECK(fcntl(ends[0], F_DUPFD_CLOEXEC, 60) == 60 && fcntl(60, F_GETFD) == FD_CLOEXEC);
    CHECK_ERRNO(dup3(60, 60, 0), EINVAL);
    return 0;
}
