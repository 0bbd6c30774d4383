// exit: 135
// Past the last page of a file there is nothing to read: SIGBUS.
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    int file = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (write(file, "short", 5) != 5)
        return 2;
    volatile char *at = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, file, 0);
    printf("%c\n", at[4]);
    fflush(stdout);
    return at[4096];
}
