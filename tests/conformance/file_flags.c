// linking: glibc
// Requests whose numbers say that they move a long, and which move an int.
#include "check.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* What lies behind the int stays, whether or not the file system knows the request. */
static void ask(int file, unsigned long request)
{
    int words[2] = {0, 0x5a5a5a5a};
    int result = ioctl(file, request, words);
    CHECK(result == 0 || (result == -1 && (errno == ENOTTY || errno == EOPNOTSUPP)));
    CHECK(words[1] == 0x5a5a5a5a);
}

int main(void)
{
    char name[] = "flagsXXXXXX";
    int file = mkstemp(name);
    CHECK(file >= 0 && unlink(name) == 0);
    ask(file, FS_IOC_GETFLAGS);
    ask(file, FS_IOC_GETVERSION);

    int flags = 0;
    int known = ioctl(file, FS_IOC_GETFLAGS, &flags) == 0;
    CHECK(ioctl(file, FS_IOC_SETFLAGS, &flags) == 0 || !known);
    CHECK_ERRNO(ioctl(-1, FS_IOC_GETFLAGS, &flags), EBADF);
    return 0;
}
