// flags: -Wno-stringop-overread
// linking: glibc pie musl
// env: MAIN=1
// exit: 21
// execve: what the new program gets, what stays, and every way in which it can fail.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void make(const char *path, const char *text, int mode) {
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (write(file, text, strlen(text)) < 0)
        perror(path);
    close(file);
    chmod(path, mode);
}

static int run(const char *path, char **arguments, char **variables) {
    pid_t child = fork();
    if (child == 0) {
        execve(path, arguments, variables);
        _exit(200);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int show(int count, char **arguments) {
    char name[17] = "";
    printf("  program:");
    for (int i = 0; i < count; i++)
        printf(" [%s]", strncmp(arguments[i], "/proc/", 6) && strncmp(arguments[i], "/dev/fd/", 8)
                            ? arguments[i] : "/...");
    printf("\n  environment:");
    for (char **variable = environ; *variable; variable++)
        printf(" [%s]", *variable);
    int fd = open("/proc/self/comm", O_RDONLY);
    long got = read(fd, name, 16);
    close(fd);
    if (getenv("NONAME") == NULL)
        printf("\n  name %.*s", (int)(got > 0 ? got - 1 : 0), name);
    printf("\n  descriptors:");
    for (int i = 0; i < 40; i++)
        if (fcntl(i, F_GETFD) >= 0)
            printf(" %d", i);
    printf("\n");
    return 21;
}

int main(int count, char **arguments) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getenv("MAIN") == NULL)
        return show(count, arguments);
    char *self = realpath("/proc/self/exe", NULL);
    char folder[] = "/tmp/exec-XXXXXX";
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return 1;
    for (int i = 3; i < 100; i++)
        close(i);

    char *words[] = {"-name", "", "a b", "--", "-v", "--strace", "\xff\xfe", NULL};
    char *variables[] = {"A=1", "LD_LIBRARY_PATH=/x", "A=2", "", "no sign", "=", "MALLOC_X=1",
                         "DANGLESS_EXEC_LD_X=1", NULL};
    char *none[] = {NULL};
    CHECK(run("/proc/self/exe", words, variables) == 21);
    CHECK(run(self, none, none) == 21);

    /* Descriptors. */
    int kept = open("/dev/null", O_RDONLY), lost = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(kept == 3 && lost == 4);
    CHECK(run(self, words, none) == 21);
    close(kept);
    close(lost);

    /* A name in the working folder, without a slash. */
    CHECK(symlink(self, "link") == 0);
    CHECK(run("link", words, none) == 21);

    /* Scripts. */
    char line[4200];
    snprintf(line, sizeof line, "#!%s\nnot read\n", self);
    make("plain", line, 0755);
    CHECK(run("plain", words, none) == 21);
    snprintf(line, sizeof line, "#! \t%s  -x  y \t\n", self);
    make("argument", line, 0755);
    CHECK(run("./argument", words, none) == 21);
    make("nested", "#!./plain -n\n", 0755);
    CHECK(run("./nested", words, none) == 21);
    make("shell", "#!/bin/sh\necho shell \"$0\" \"$@\"\nexit 5\n", 0755);
    CHECK(run("./shell", words, none) == 5);
    make("0", "#!./1\n", 0755);
    for (int i = 1; i < 10; i++) {
        char name[2] = {(char)('0' + i), 0};
        snprintf(line, sizeof line, i == 9 ? "#!./0\n" : "#!./%d\n", i + 1);
        make(name, line, 0755);
    }
    CHECK_ERRNO(execv("./0", words), ELOOP);
    make("bad", "#!\n", 0755);
    CHECK_ERRNO(execv("./bad", words), ENOEXEC);
    make("missing", "#!/nonexistent/interpreter\n", 0755);
    CHECK_ERRNO(execv("./missing", words), ENOENT);

    /* Errors. */
    make("text", "just text\n", 0755);
    make("closed", line, 0644);
    CHECK_ERRNO(execv("./text", words), ENOEXEC);
    make("empty", "", 0755);
    CHECK_ERRNO(execv("./empty", words), ENOEXEC);
    make("short", "\177ELF", 0755);
    CHECK_ERRNO(execv("./short", words), ENOEXEC);
    CHECK_ERRNO(execv("./closed", words), EACCES);
    CHECK_ERRNO(execv(folder, words), EACCES);
    CHECK_ERRNO(execv("/dev/null", words), EACCES);
    CHECK_ERRNO(execv("", words), ENOENT);
    CHECK_ERRNO(execv("./none", words), ENOENT);
    CHECK_ERRNO(execv("./text/x", words), ENOTDIR);
    CHECK(symlink("circle", "circle") == 0);
    CHECK_ERRNO(execv("./circle", words), ELOOP);
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = 0;
    CHECK_ERRNO(execv(line, words), ENAMETOOLONG);
    CHECK_ERRNO(execv((char *)16, words), EFAULT);
    CHECK_ERRNO(execv(self, (char **)16), EFAULT);
    char *wild[] = {"x", (char *)16, NULL};
    CHECK_ERRNO(execv(self, wild), EFAULT);
    CHECK_ERRNO(execve(self, words, wild), EFAULT);
    char *huge = malloc((128 << 10) + 1);
    memset(huge, 'x', 128 << 10);
    huge[128 << 10] = 0;
    char *long_one[] = {"x", huge, NULL};
    CHECK_ERRNO(execv(self, long_one), E2BIG);
    huge[100 << 10] = 0;
    char **many = calloc(202, sizeof *many);
    for (int i = 0; i < 200; i++)
        many[i] = huge;
    CHECK_ERRNO(execv(self, many), E2BIG);
    free(many);
    free(huge);

    /* execveat. */
    int file = open(self, O_RDONLY | O_CLOEXEC), here = open(".", O_RDONLY | O_CLOEXEC);
    pid_t child = fork();
    int status;
    if (child == 0) {
        /* The name differs between kernels. */
        char *nameless[] = {"NONAME=1", NULL};
        syscall(SYS_execveat, file, "", words, nameless, AT_EMPTY_PATH);
        _exit(200);
    }
    waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 21);
    child = fork();
    if (child == 0) {
        syscall(SYS_execveat, here, "link", words, none, 0);
        _exit(200);
    }
    waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 21);
    CHECK_ERRNO(syscall(SYS_execveat, here, "link", words, none, AT_SYMLINK_NOFOLLOW), ELOOP);
    CHECK_ERRNO(syscall(SYS_execveat, here, "link", words, none, 1), EINVAL);
    CHECK_ERRNO(syscall(SYS_execveat, 99, "link", words, none, 0), EBADF);
    CHECK_ERRNO(syscall(SYS_execveat, here, "", words, none, 0), ENOENT);

    /* The process stays the same one. */
    char *again[] = {"once more", NULL};
    char command[200];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
    if (chdir("/") != 0)
        return 1;
    fflush(stdout);
    execve(self, again, none);
    return 1;
}
