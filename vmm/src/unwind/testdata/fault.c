// Faults inside a library function; the signal's handler writes "pc sp bp high" and its stack.
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t high;

static void handler(int signal) {
    uint64_t header[4];
    (void)signal;
    __asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2"
                     : "=r"(header[0]), "=r"(header[1]), "=r"(header[2]));
    header[3] = high;
    if (write(1, header, sizeof header) < 0 || write(1, (void *)header[1], high - header[1]) < 0)
        abort();
    _exit(0);
}

static char *volatile nowhere = (char *)0x1000;

static int compare(const void *a, const void *b) {
    return memcmp(a, b, 4) ? (int)strlen(nowhere) : 1;
}

__attribute__((noinline)) static void sorts(void) {
    int numbers[4] = {4, 3, 2, 1};
    qsort(numbers, 4, sizeof *numbers, compare);
    nowhere = (char *)numbers;
}

__attribute__((noinline)) static void copies(void) {
    char room[64];
    memcpy(room, nowhere, strlen("a length that the compiler must ask for") + (size_t)(nowhere != 0));
    nowhere = room;
}

int main(int argc, char **argv) {
    uint64_t here;
    struct sigaction action = {.sa_handler = handler};
    high = (uint64_t)(&here + 8) & ~7ull;
    sigaction(SIGSEGV, &action, 0);
    if (argv[argc - 1][0] == 's')
        sorts();
    else
        copies();
    return 0;
}
