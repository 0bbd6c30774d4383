// linking: glibc pie musl
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void) {
    char text[256];
    int file = open("data", O_RDWR | O_CREAT | O_EXCL, 0640);
    CHECK(file >= 0);
    CHECK_ERRNO(open("data", O_RDWR | O_CREAT | O_EXCL, 0640), EEXIST);
    CHECK_ERRNO(open("absent", O_RDONLY), ENOENT);
    CHECK(write(file, "0123456789", 10) == 10);
    CHECK(lseek(file, 0, SEEK_CUR) == 10 && lseek(file, -4, SEEK_END) == 6);
    CHECK(read(file, text, 10) == 4 && memcmp(text, "6789", 4) == 0);
    CHECK(read(file, text, 10) == 0);
    CHECK(pwrite(file, "AB", 2, 3) == 2 && pread(file, text, 4, 2) == 4 && memcmp(text, "2AB5", 4) == 0);
    CHECK(lseek(file, 0, SEEK_CUR) == 10);
    CHECK_ERRNO(lseek(file, -1, SEEK_SET), EINVAL);
    CHECK_ERRNO(lseek(file, 0, 99), EINVAL);
    CHECK(lseek(file, 100000, SEEK_SET) == 100000 && write(file, "end", 3) == 3);
    struct stat data;
    CHECK(fstat(file, &data) == 0 && data.st_size == 100003 && S_ISREG(data.st_mode) && (data.st_mode & 0777) == 0640);
    CHECK(ftruncate(file, 5) == 0 && fstat(file, &data) == 0 && data.st_size == 5);
    CHECK(truncate("data", 20) == 0 && fstat(file, &data) == 0 && data.st_size == 20);
    CHECK(fallocate(file, 0, 0, 100) == 0 || errno == EOPNOTSUPP);
    CHECK(ftruncate(file, 20) == 0);
    CHECK(fsync(file) == 0 && fdatasync(file) == 0);

    char a[3], b[5], c[100];
    struct iovec in[] = {{a, 3}, {b, 5}, {c, 100}};
    CHECK(lseek(file, 0, SEEK_SET) == 0);
    CHECK(readv(file, in, 3) == 20 && memcmp(a, "012", 3) == 0 && memcmp(b, "AB", 2) == 0 && c[0] == 0);
    struct iovec out[] = {{"one ", 4}, {"", 0}, {"two ", 4}, {"three", 5}};
    CHECK(pwritev(file, out, 4, 2) == 13 && pread(file, text, 13, 2) == 13 && memcmp(text, "one two three", 13) == 0);
    CHECK(preadv(file, in, 2, 2) == 8 && memcmp(b, " two ", 5) == 0);
    CHECK(writev(file, NULL, 0) == 0);
    struct iovec many[1024];
    for (int i = 0; i < 1024; i++)
        many[i] = (struct iovec){"x", 1};
    CHECK(writev(file, many, 1024) == 1024);

    int append = open("data", O_WRONLY | O_APPEND);
    off_t end = lseek(append, 0, SEEK_END);
    CHECK(write(append, "more", 4) == 4 && lseek(append, 0, SEEK_CUR) == end + 4);
    CHECK((fcntl(append, F_GETFL) & (O_APPEND | O_ACCMODE)) == (O_APPEND | O_WRONLY));
    CHECK_ERRNO(read(append, text, 1), EBADF);
    CHECK(flock(append, LOCK_EX | LOCK_NB) == 0 && flock(append, LOCK_UN) == 0);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    CHECK(fcntl(append, F_SETLK, &lock) == 0 && fcntl(append, F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK);
    int copy = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
    off_t from = 2;
    CHECK(sendfile(copy, file, &from, 13) == 13 && from == 15);
    CHECK(pread(copy, text, 20, 0) == 13 && memcmp(text, "one two three", 13) == 0);
    CHECK(open("data", O_WRONLY | O_TRUNC) >= 0 && fstat(file, &data) == 0 && data.st_size == 0);
    CHECK(posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL) == 0);

    /* Large and unaligned, through buffers of the heap. */
    size_t size = 3000001;
    unsigned char *block = malloc(size + 3), *back = malloc(size + 5);
    for (size_t i = 0; i < size; i++)
        block[3 + i] = (unsigned char)(i * 13 + i / 4096);
    CHECK(pwrite(file, block + 3, size, 7) == (ssize_t)size);
    CHECK(pread(file, back + 5, size, 7) == (ssize_t)size);
    CHECK(memcmp(block + 3, back + 5, size) == 0);
    free(block);
    free(back);

    FILE *stream = fopen("lines", "w+");
    for (int i = 0; i < 1000; i++)
        fprintf(stream, "%d %.3f %s\n", i, i / 7.0, "text");
    rewind(stream);
    int lines = 0, number;
    double part;
    while (fscanf(stream, "%d %lf %*s", &number, &part) == 2)
        lines += number == lines;
    CHECK(lines == 1000 && fclose(stream) == 0);
    CHECK(remove("lines") == 0);
    CHECK_ERRNO(close(999), EBADF);
    CHECK(memfd_create("memory", MFD_CLOEXEC) >= 0);
    return 0;
}
