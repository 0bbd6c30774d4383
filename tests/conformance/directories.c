// linking: glibc musl
#define _GNU_SOURCE
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

int main(void) {
    char path[4096], name[64];
    struct stat data;
    umask(022);
    CHECK(mkdir("top", 0755) == 0 && mkdir("top/sub", 0700) == 0);
    CHECK_ERRNO(mkdir("top", 0755), EEXIST);
    CHECK_ERRNO(mkdir("none/such", 0755), ENOENT);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "top/file-%03d-%s", i, i % 2 == 0 ? "even" : "odd and long");
        int file = open(name, O_CREAT | O_WRONLY, 0644);
        if (file < 0 || close(file) != 0)
            return 2;
    }
    DIR *folder = opendir("top");
    CHECK(folder != NULL);
    int files = 0, folders = 0, dots = 0;
    long length = 0;
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        dots += entry->d_name[0] == '.';
        files += strncmp(entry->d_name, "file-", 5) == 0;
        folders += strcmp(entry->d_name, "sub") == 0;
        length += (long)strlen(entry->d_name);
    }
    CHECK(files == 500 && folders == 1 && dots == 2);
    printf("     %ld characters\n", length);
    rewinddir(folder);
    CHECK(readdir(folder) != NULL);
    CHECK(fstat(dirfd(folder), &data) == 0 && S_ISDIR(data.st_mode));
    CHECK(closedir(folder) == 0);

    CHECK(getcwd(path, sizeof path) == path && path[0] == '/');
    CHECK_ERRNO(getcwd(path, 1) == NULL ? -1 : 0, ERANGE);
    CHECK(chdir("top/sub") == 0);
    CHECK(getcwd(path, sizeof path) != NULL && strcmp(path + strlen(path) - 8, "/top/sub") == 0);
    CHECK(access("../file-000-even", R_OK) == 0);
    int up = open("..", O_RDONLY | O_DIRECTORY);
    CHECK(faccessat(up, "sub", X_OK, 0) == 0);
    CHECK(fchdir(up) == 0);
    CHECK(openat(up, "file-002-even", O_RDONLY) >= 0);
    CHECK_ERRNO(openat(up, "file-002-even/x", O_RDONLY), ENOTDIR);
    CHECK(symlink("file-004-even", "link") == 0);
    CHECK(readlink("link", path, sizeof path) == 13 && memcmp(path, "file-004-even", 13) == 0);
    CHECK(readlinkat(up, "link", path, 4) == 4);
    CHECK(lstat("link", &data) == 0 && S_ISLNK(data.st_mode) && data.st_size == 13);
    CHECK(fstatat(up, "link", &data, 0) == 0 && S_ISREG(data.st_mode));
    CHECK(link("file-006-even", "hard") == 0 && stat("hard", &data) == 0 && data.st_nlink == 2);
    CHECK(rename("hard", "moved") == 0 && access("hard", F_OK) == -1);
    CHECK(renameat(up, "moved", up, "file-008-even") == 0);
    CHECK(chmod("file-010-even", 0600) == 0 && stat("file-010-even", &data) == 0 && (data.st_mode & 0777) == 0600);
    CHECK(fchmodat(up, "file-010-even", 0640, 0) == 0);
    CHECK_ERRNO(rmdir("../top"), ENOTEMPTY);
    CHECK(rmdir("sub") == 0);
    struct timespec times[2] = {{1000, 5}, {2000, 6}};
    CHECK(utimensat(up, "file-010-even", times, 0) == 0);
    CHECK(stat("file-010-even", &data) == 0 && data.st_atim.tv_sec == 1000 && data.st_mtim.tv_nsec == 6);
    struct statfs system;
    CHECK(statfs(".", &system) == 0 && system.f_bsize > 0);
    CHECK(chdir("..") == 0);
    for (int i = 0; i < 500; i += 2) {
        snprintf(name, sizeof name, "top/file-%03d-even", i);
        if (i > 20 && unlink(name) != 0)
            return 3;
    }
    CHECK_ERRNO(unlink("top"), EISDIR);
    CHECK_ERRNO(open("top", O_WRONLY), EISDIR);
    char *real = realpath("top/../top/link", NULL);
    CHECK(real != NULL && strcmp(real + strlen(real) - 18, "/top/file-004-even") == 0);
    free(real);
    char template[] = "made-XXXXXX";
    int made = mkstemp(template);
    CHECK(made >= 0 && unlink(template) == 0);
    return 0;
}
