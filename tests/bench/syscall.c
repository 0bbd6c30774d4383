// Calling the system: the cheapest call there is, one that moves a page of data, and the time.

#define _GNU_SOURCE
#include "bench.h"
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static char page[4096];
    long count = scaled(argc, argv, 20000);
    int zero = open("/dev/zero", O_RDONLY);
    if (zero < 0) {
        perror("/dev/zero");
        return 2;
    }

    struct moment start = moment();
    for (long i = 0; i < count; i++)
        sink += syscall(SYS_getpid);
    report("getpid", start, count);

    start = moment();
    for (long i = 0; i < count; i++)
        if (read(zero, page, sizeof page) != sizeof page) {
            perror("read");
            return 2;
        }
    report("read-4k", start, count);

    start = moment();
    for (long i = 0; i < count; i++) {
        struct timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        sink += time.tv_nsec;
    }
    report("clock", start, count);
    return 0;
}
