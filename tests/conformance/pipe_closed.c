// exit: 141
// Nobody reads any more: SIGPIPE, whose default is death.
#include <stdio.h>
#include <unistd.h>

int main(void) {
    int ends[2];
    if (pipe(ends) != 0)
        return 2;
    close(ends[0]);
    puts("writing");
    fflush(stdout);
    return write(ends[1], "x", 1) == 1 ? 3 : 4;
}
