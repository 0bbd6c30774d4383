// linking: glibc pie musl
#include "check.h"
#include <sys/resource.h>
#include <string.h>

__attribute__((noinline)) static long deep(int levels) {
    volatile char frame[4096];
    frame[levels % 4096] = 1;
    return levels == 0 ? 0 : frame[levels % 4096] + deep(levels - 1);
}

__attribute__((noinline)) static int large_frame(void) {
    /* One step over many pages at once: growth must not need to be page by page. */
    volatile char frame[3 << 20];
    frame[0] = 4;
    frame[sizeof frame - 1] = 5;
    return frame[0] + frame[sizeof frame - 1];
}

int main(void) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
    CHECK(limit.rlim_cur >= 8 << 20);
    CHECK(deep(1500) == 1500);
    CHECK(large_frame() == 9);
    return 0;
}
