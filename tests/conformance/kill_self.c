// exit: 143
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    puts("before");
    fflush(stdout);
    kill(getpid(), SIGTERM);
    pause();
    return 0;
}
