/* A program that is started without standard input and output finds their numbers free. */
#include "check.h"
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A bit for each thing that is not as it should be. */
static int without(void)
{
    int wrong = 0;
    wrong |= (fcntl(0, F_GETFD) != -1 || errno != EBADF) << 0;
    wrong |= (fcntl(1, F_GETFD) != -1 || errno != EBADF) << 1;
    wrong |= (fcntl(2, F_GETFD) == -1) << 2;
    wrong |= (open("/dev/zero", O_RDONLY) != 0) << 3;
    wrong |= (open("/dev/null", O_WRONLY) != 1) << 4;
    char byte = 1;
    wrong |= (read(0, &byte, 1) != 1 || byte != 0) << 5;
    return wrong;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return without();
    pid_t child = fork();
    if (child == 0) {
        close(0);
        close(1);
        execl("/proc/self/exe", argv[0], "without", (char *)NULL);
        _exit(99);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    for (int bit = 0; bit < 6; bit++)
        CHECK((WEXITSTATUS(status) >> bit & 1) == 0);
    CHECK(fcntl(0, F_GETFD) == 0 && fcntl(1, F_GETFD) == 0);
    return 0;
}
