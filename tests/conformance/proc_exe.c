// linking: glibc musl
// However it is spelled, the link to the process's executable leads to the program.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct stat own;
static char own_path[512];

/* Whether the link leads to the program, by its text and by what opens. */
static int leads(int directory, const char *path) {
    char text[512];
    ssize_t length = readlinkat(directory, path, text, sizeof text - 1);
    if (length < 0)
        return 0;
    text[length] = 0;
    struct stat opened, found;
    int file = openat(directory, path, O_RDONLY);
    int same = file >= 0 && fstat(file, &opened) == 0 && opened.st_ino == own.st_ino &&
               opened.st_dev == own.st_dev;
    close(file);
    return same && strcmp(text, own_path) == 0 && fstatat(directory, path, &found, 0) == 0 &&
           found.st_ino == own.st_ino;
}

int main(int count, char **words) {
    (void)count;
    CHECK(stat(words[0], &own) == 0);
    ssize_t length = readlink("/proc/self/exe", own_path, sizeof own_path - 1);
    CHECK(length > 0);
    char path[64];
    CHECK(leads(AT_FDCWD, "/proc/self/exe") && leads(AT_FDCWD, "/proc//self/./exe"));
    CHECK(leads(AT_FDCWD, "/proc/thread-self/exe"));
    snprintf(path, sizeof path, "/proc/%d/exe", getpid());
    CHECK(leads(AT_FDCWD, path));
    snprintf(path, sizeof path, "/proc/self/task/%ld/exe", syscall(SYS_gettid));
    CHECK(leads(AT_FDCWD, path));
    int self = open("/proc/self", O_RDONLY | O_DIRECTORY);
    int proc = open("/proc", O_RDONLY | O_DIRECTORY);
    int thread = open("/proc/thread-self", O_PATH);
    CHECK(leads(self, "exe") && leads(self, "./exe") && leads(thread, "exe"));
    CHECK(leads(proc, "self/exe") && leads(proc, "thread-self/exe"));
    snprintf(path, sizeof path, "%d/exe", getpid());
    CHECK(leads(proc, path));
    int folder = open(".", O_RDONLY);
    CHECK(chdir("/proc/self") == 0 && leads(AT_FDCWD, "exe"));
    CHECK(chdir("/proc") == 0 && leads(AT_FDCWD, "self/exe"));
    CHECK(fchdir(folder) == 0);
    int own_exe = open("exe", O_CREAT | O_RDWR | O_TRUNC, 0600);
    struct stat other;
    CHECK(own_exe >= 0 && stat("exe", &other) == 0 && other.st_ino != own.st_ino);
    int table = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
    snprintf(path, sizeof path, "%d", own_exe);
    CHECK(fstatat(table, path, &own, 0) == 0 && own.st_ino == other.st_ino);
    snprintf(path, sizeof path, "fd/%d", own_exe);
    CHECK(fstatat(self, path, &own, 0) == 0 && own.st_ino == other.st_ino);
    return 0;
}
