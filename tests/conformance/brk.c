// linking: glibc pie
#define _DEFAULT_SOURCE
#include "check.h"
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *set(char *end) {
    return (char *)syscall(SYS_brk, end);
}

int main(void) {
    char *start = set(NULL);
    CHECK(start != NULL);
    char *page = (char *)(((uintptr_t)start + 4095) & ~4095ul);
    CHECK(set(page + 100000) == page + 100000);
    memset(page, 'a', 100000);
    CHECK(set(page + 8192) == page + 8192);
    CHECK(page[8191] == 'a');
    CHECK(set(page + 20000) == page + 20000);
    CHECK(page[8192] == 0 && page[19999] == 0);
    CHECK(set(NULL) == page + 20000);
    CHECK(set((char *)4096) == page + 20000);
    CHECK(set((char *)(~0ul >> 1)) == page + 20000);
    CHECK(sbrk(0) != (void *)-1);
    return 0;
}
