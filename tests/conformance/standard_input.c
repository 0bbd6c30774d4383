// linking: glibc musl
#include "check.h"
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat data;
    CHECK(getchar() == EOF && feof(stdin));
    CHECK(fstat(0, &data) == 0 && S_ISCHR(data.st_mode));
    CHECK(fstat(1, &data) == 0 && S_ISREG(data.st_mode));
    CHECK(!isatty(0) && !isatty(1));
    CHECK(write(2, "to standard error\n", 18) == 18);
    return 0;
}
