// linking: glibc dynamic musl
// What the process reads about itself under /proc is about the program.
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char text[1 << 20];

static char *contents(int folder, const char *path) {
    int file = openat(folder, path, O_RDONLY);
    size_t length = 0;
    ssize_t count;
    if (file < 0) { printf("%s: %s\n", path, strerror(errno)); text[0] = 0; return text; }
    /* In small pieces, as some libraries read. */
    while ((count = read(file, text + length, 1000)) > 0) length += count;
    text[length] = 0;
    close(file);
    return text;
}

/* The line of maps that holds an address. */
static char *mapping(const void *at, const char *file) {
    static char found[4096];
    found[0] = 0;
    for (char *line = strtok(contents(AT_FDCWD, file), "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2 && start <= (unsigned long)at && (unsigned long)at < end)
            strcpy(found, line);
    }
    return found;
}

/* Rights, offset and last part of the name of the mapping that holds an address. */
static void show(const char *what, const void *at) {
    char rights[8] = "none", offset[32] = "", name[4096] = "";
    sscanf(mapping(at, "/proc/self/maps"), "%*s %7s %31s %*s %*s %4095[^\n]", rights, offset, name);
    char *slash = strrchr(name, '/');
    printf("%s: %s %s %s\n", what, rights, offset, slash ? slash + 1 : name);
}

static unsigned long field(int folder, const char *path, const char *name) {
    char *at = strstr(contents(folder, path), name);
    return at ? strtoul(at + strlen(name), NULL, 16) : ~0ul;
}

static int by_number(const void *one, const void *other) { return *(const int *)one - *(const int *)other; }

static void list(const char *what, int folder, const char *path) {
    int numbers[64], count = 0, file = openat(folder, path, O_RDONLY | O_DIRECTORY);
    DIR *directory = fdopendir(file);
    if (!directory) { printf("%s: %s\n", what, strerror(errno)); return; }
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.' && count < 64) numbers[count++] = atoi(entry->d_name);
    closedir(directory);
    qsort(numbers, count, sizeof *numbers, by_number);
    printf("%s:", what);
    /* Numbers of descriptors are the same everywhere, those of threads are not. */
    for (int i = 0; i < count; i++)
        if (numbers[i] == gettid()) printf(" this thread"); else printf(" %d", numbers[i]);
    printf("\n");
}

int main(int count, char **words) {
    (void)count;
    int local = 0;
    char path[64];
    show("code", (void *)main);
    char *stack = mapping(&local, "/proc/self/maps");
    printf("stack: %s\n", strstr(stack, "[stack]") ? "named" : stack);
    char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory[0] = memory[4096] = 1;
    mprotect(memory, 4096, PROT_READ);
    show("protected", memory);
    mprotect(memory, 4096, PROT_READ | PROT_WRITE);
    show("memory", memory);
    char *smaps = mapping(memory, "/proc/self/smaps");
    printf("smaps: %d\n", smaps[0] != 0);
    printf("rollup: %d\n", strstr(contents(AT_FDCWD, "/proc/self/smaps_rollup"), "Rss:") != NULL);
    int itself = open(words[0], O_RDONLY);
    void *file = mmap(NULL, 4096, PROT_READ, MAP_SHARED, itself, 4096);
    show("file", file);
    munmap(file, 4096);
    show("unmapped", file);
    printf("foreign: %d\n", strstr(contents(AT_FDCWD, "/proc/self/maps"), "kvm") != NULL);

    signal(SIGUSR1, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    printf("ignored: %d\n", field(AT_FDCWD, "/proc/self/status", "SigIgn:") >> (SIGUSR1 - 1) & 1 ? 1 : 0);
    printf("blocked: %d\n", field(AT_FDCWD, "/proc/self/status", "SigBlk:") >> (SIGUSR2 - 1) & 1 ? 1 : 0);
    printf("threads: %lu\n", field(AT_FDCWD, "/proc/self/status", "Threads:"));
    printf("size: %d\n", field(AT_FDCWD, "/proc/self/status", "VmSize:") < 0x1000000);
    prctl(PR_SET_NAME, "a name) ");
    printf("comm: %s", contents(AT_FDCWD, "/proc/self/comm"));
    contents(AT_FDCWD, "/proc/self/stat");
    char *rest = strrchr(text, ')');
    unsigned long threads = 0, size = 0, start = 0;
    sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %lu %*d %*u %lu %*d %*u %*u %*u %lu",
           &threads, &size, &start);
    printf("stat: %.*s %lu %d\n", (int)(rest - strchr(text, '(')) + 1, strchr(text, '('), threads, size > 0);
    printf("start of the stack: %s\n", strstr(mapping((void *)start, "/proc/self/maps"), "[stack]") ? "on it" : "elsewhere");
    unsigned long pages = 0;
    sscanf(contents(AT_FDCWD, "/proc/self/statm"), "%lu", &pages);
    printf("statm: %d\n", pages > 0 && pages * 4096 < 1ul << 36);

    contents(AT_FDCWD, "/proc/self/cmdline");
    printf("cmdline: %d\n", strcmp(text, words[0]));
    words[0][0] = '#';
    printf("changed: %c\n", contents(AT_FDCWD, "/proc/self/cmdline")[0]);
    contents(AT_FDCWD, "/proc/self/environ");
    char *zone = text;
    while (*zone && strncmp(zone, "TZ=", 3)) zone += strlen(zone) + 1;
    printf("environ: %s\n", zone);
    unsigned long vector[64 * 2];
    int auxv = open("/proc/self/auxv", O_RDONLY);
    ssize_t length = read(auxv, vector, sizeof vector);
    int wrong = length <= 0;
    for (int i = 0; i < length / 16; i++)
        switch (vector[2 * i]) {
        case AT_PHDR: case AT_ENTRY: case AT_RANDOM: case AT_EXECFN: case AT_BASE:
            wrong += getauxval(vector[2 * i]) != vector[2 * i + 1];
        }
    printf("auxv: %d wrong\n", wrong);
    printf("write: %s\n", write(auxv, "x", 1) < 0 && errno == EBADF ? "EBADF" : "?");
    close(auxv);

    sprintf(path, "/proc/%d", getpid());
    int folder = open(path, O_RDONLY | O_DIRECTORY);
    printf("by folder: %d\n", field(folder, "status", "Threads:") == 1);
    chdir(path);
    printf("by relative path: %d\n", field(AT_FDCWD, "status", "Threads:") == 1);
    sprintf(path, "task/%d/status", gettid());
    printf("by thread: %d\n", field(folder, path, "Threads:") == 1);
    list("descriptors", folder, "fd");
    list("their positions", AT_FDCWD, "/proc/self/fdinfo");
    list("through /dev", AT_FDCWD, "/dev/fd");
    list("threads", AT_FDCWD, "/proc/self/task");

    char from[6000], to[6000] = "";
    memset(from, 'x', sizeof from);
    struct iovec mine = {to, sizeof to}, theirs[2] = {{from, 100}, {from + 100, sizeof from - 100}};
    printf("own memory: %zd %d\n", process_vm_readv(getpid(), &mine, 1, theirs, 2, 0), memcmp(from, to, sizeof to));
    munmap(memory + 4096, 4096);
    struct iovec cut = {memory, 8192};
    printf("written: %zd\n", process_vm_writev(getpid(), &mine, 1, &cut, 1, 0));
    struct iovec gone = {memory + 4096, 10};
    printf("nowhere: %zd", process_vm_readv(getpid(), &mine, 1, &gone, 1, 0));
    printf(" %s\n", errno == EFAULT ? "EFAULT" : "?");
    printf("nobody: %zd", process_vm_readv(-5, &mine, 1, &gone, 1, 0));
    printf(" %s\n", errno == ESRCH ? "ESRCH" : "?");
    return 0;
}
