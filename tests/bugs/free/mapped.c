// expect: bad-free
// oracle: blind
// linking: glibc musl
// Memory that mmap gave is not malloc's to take back.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(void) {
    char *block = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    block[100] = 1;
#ifdef BUG
    free(block); /* FAULT */
#else
    munmap(block, 65536);
#endif
    puts("survived");
    return 0;
}
