// linking: glibc dynamic
// What serves the program is out of its sight and reach: descriptors, threads and files of the process
// show the program alone, whatever call or path asks for them.
#define _GNU_SOURCE
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char program[PATH_MAX];
static struct stat own;

/* The process still works: its heap, its files, what it says of itself. */
static int lives(void)
{
    char *block = malloc(5000);
    int file = open("/proc/self/stat", O_RDONLY);
    int fine = block && file >= 0 && read(file, block, 5000) > 0 && atoi(block) == getpid();
    close(file);
    free(block);
    return fine;
}

/* Whether a text names the program and nothing of what serves it. */
static int shows_program(int file)
{
    static char text[1 << 16];
    size_t length = 0;
    ssize_t got;
    while ((got = read(file, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = 0;
    close(file);
    return strstr(text, program) && !strstr(text, "kvm") && !strstr(text, "dangless-vmm");
}

/* Entries of a folder that are numbers; -1 if one is a descriptor that is not open. */
static int numbers(const char *path, int descriptors)
{
    DIR *folder = opendir(path);
    int count = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char *end;
        long number = strtol(entry->d_name, &end, 10);
        if (end == entry->d_name || *end)
            continue;
        if (descriptors && fcntl((int)number, F_GETFD) < 0)
            return -1;
        count += !descriptors || number != dirfd(folder);
    }
    if (folder)
        closedir(folder);
    return count;
}

/* How many ways there are to a descriptor that is not the program's. */
static int ways(int hidden, int poller, int pidfd)
{
    struct stat state;
    struct epoll_event event = {.events = EPOLLIN};
    struct pollfd polled = {.fd = hidden, .events = POLLIN};
    char path[64], link[64];
    int number, count = 0;
    count += fcntl(hidden, F_GETFD) >= 0;
    count += fcntl(hidden, F_DUPFD, 0) >= 0;
    count += dup(hidden) >= 0;
    count += fstat(hidden, &state) == 0;
    count += ioctl(hidden, FIONREAD, &number) == 0 || errno != EBADF;
    count += ioctl(hidden, 0xae00, 0) >= 0 || errno != EBADF;
    count += read(hidden, link, 0) == 0 || errno != EBADF;
    count += lseek(hidden, 0, SEEK_CUR) >= 0 || errno != EBADF;
    count += mmap(NULL, 4096, PROT_READ, MAP_SHARED, hidden, 0) != MAP_FAILED || errno != EBADF;
    count += epoll_ctl(poller, EPOLL_CTL_ADD, hidden, &event) == 0 || errno != EBADF;
    count += poll(&polled, 1, 0) != 1 || polled.revents != POLLNVAL;
    count += openat(hidden, "x", O_RDONLY) >= 0 || errno != EBADF;
    count += sendfile(1, hidden, NULL, 0) >= 0 || errno != EBADF;
    count += fchmod(hidden, 0) == 0 || errno != EBADF;
    count += syscall(SYS_pidfd_getfd, pidfd, hidden, 0) >= 0;
    count += close(hidden) == 0 || errno != EBADF;
    count += dup2(1, hidden) >= 0 || errno != EBADF;
    count += dup3(1, hidden, O_CLOEXEC) >= 0 || errno != EBADF;
    snprintf(path, sizeof path, "/proc/self/fd/%d", hidden);
    count += readlink(path, link, sizeof link) >= 0;
    count += open(path, O_RDONLY) >= 0;
    snprintf(path, sizeof path, "/dev/fd/%d", hidden);
    count += open(path, O_RDONLY) >= 0;
    count += stat(path, &state) == 0;
    snprintf(path, sizeof path, "/proc/thread-self/fdinfo/%d", hidden);
    count += open(path, O_RDONLY) >= 0;
    return count;
}

static void descriptors(void)
{
    CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
    CHECK(lives());
    CHECK(syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */) == 0);
    CHECK(lives());
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int end = (int)limit.rlim_cur;
    CHECK(fcntl(1, F_DUPFD, end - 1) == end - 1);
    CHECK(close(end - 1) == 0);
    CHECK_ERRNO(fcntl(1, F_DUPFD, end), EINVAL);
    CHECK_ERRNO(dup2(1, end), EBADF);
    int taken = 0;
    for (int to = 3; to < end && to < 1024; to++)
        taken += dup2(1, to) == to;
    /* Some numbers may be kept from the program. */
    CHECK(taken >= (end < 1024 ? end : 1024) - 3 - 24);
    CHECK(end <= 1024 || lives());
    CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
    CHECK(lives());

    int poller = epoll_create1(0);
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    CHECK(poller == 3 && pidfd == 4);
    CHECK(numbers("/proc/self/fd", 1) == 5 && numbers("/proc/thread-self/fdinfo", 1) == 5);
    CHECK(numbers("/dev/fd", 1) == 5);
    int found = 0;
    for (int at = 5; at < 1024; at++)
        found += fcntl(at, F_GETFD) >= 0;
    CHECK(found == 0);
    int most = limit.rlim_max > INT_MAX ? INT_MAX : (int)limit.rlim_max;
    for (int at = most < end + 64 ? end : most - 64; at < most + 64 && at > 0; at++)
        found += ways(at, poller, pidfd);
    for (int at = end; at < end + 64; at++)
        found += ways(at, poller, pidfd);
    CHECK(found == 0);
    CHECK(numbers("/proc/self/fd", 1) == 5);
    close(poller);
    close(pidfd);
}

static void threads(void)
{
    CHECK(numbers("/proc/self/task", 0) == 1);
    int seen = 0, reached = 0;
    for (int id = getpid() + 1; id < getpid() + 24; id++) {
        char path[64];
        cpu_set_t set;
        struct rlimit limit;
        seen += syscall(SYS_tgkill, getpid(), id, 0) == 0;
        snprintf(path, sizeof path, "/proc/self/task/%d/comm", id);
        seen += access(path, F_OK) == 0 || open(path, O_RDONLY) >= 0;
        /* Whatever is there is another process, and one that is there for every call. */
        snprintf(path, sizeof path, "/proc/%d/task/%d", id, getpid());
        seen += access(path, F_OK) == 0;
        snprintf(path, sizeof path, "/proc/%d", id);
        if (access(path, F_OK) == 0)
            continue;
        reached += sched_getaffinity(id, sizeof set, &set) == 0;
        reached += syscall(SYS_prlimit64, id, RLIMIT_CORE, NULL, &limit) == 0;
        reached += getpriority(PRIO_PROCESS, (id_t)id) != -1;
        reached += sched_getscheduler(id) >= 0;
        reached += kill(id, 0) == 0;
        reached += syscall(SYS_pidfd_open, id, 0) >= 0;
    }
    CHECK(seen == 0);
    CHECK(reached == 0);
}

/* Whether the link leads to the program, by its text and by what opens. */
static int leads(int directory, const char *path)
{
    char text[PATH_MAX] = "";
    struct stat opened;
    int file = openat(directory, path, O_RDONLY);
    int same = file >= 0 && fstat(file, &opened) == 0 && opened.st_ino == own.st_ino &&
               opened.st_dev == own.st_dev;
    close(file);
    return same && readlinkat(directory, path, text, sizeof text - 1) > 0 &&
           strcmp(text, program) == 0;
}

static void files(void)
{
    CHECK(symlink("/proc/self", "self") == 0 && symlink("/proc/self/exe", "exe") == 0);
    CHECK(symlink("/proc/self/maps", "maps") == 0 && symlink("self/../self", "again") == 0);
    static const char *const folders[] = {
        "/proc/self", "/proc/thread-self", "/proc/self/task/../../self", "/proc/../proc/self/.",
        "/proc/self/root/proc/self", "/proc/thread-self/root/proc/thread-self", "self", "again",
        "self/../thread-self"};
    for (size_t at = 0; at < sizeof folders / sizeof *folders; at++) {
        char path[128];
        printf("%s\n", folders[at]);
        snprintf(path, sizeof path, "%s/exe", folders[at]);
        CHECK(leads(AT_FDCWD, path));
        snprintf(path, sizeof path, "%s/maps", folders[at]);
        CHECK(shows_program(open(path, O_RDONLY)));
        snprintf(path, sizeof path, "%s/smaps", folders[at]);
        CHECK(shows_program(open(path, O_RDONLY)));
        int folder = open(folders[at], O_PATH);
        CHECK(folder >= 0 && leads(folder, "exe"));
        CHECK(shows_program(openat(folder, "maps", O_RDONLY)));
        /* Either there is no such file, or it is the program's memory. */
        volatile int word = 0x5eed;
        int copy = 0, memory = openat(folder, "mem", O_RDWR);
        CHECK(memory < 0 || (pread(memory, &copy, 4, (off_t)(long)&word) == 4 && copy == word));
        close(memory);
        close(folder);
    }
    struct stat through;
    CHECK(stat("exe", &through) == 0 && through.st_ino == own.st_ino);
    int file = open("exe", O_RDONLY);
    CHECK(fstat(file, &through) == 0 && through.st_ino == own.st_ino);
    close(file);
    CHECK(shows_program(open("maps", O_RDONLY)));

    int held = open("/proc/self/exe", O_PATH | O_NOFOLLOW);
    char text[PATH_MAX] = "";
    CHECK(readlinkat(held, "", text, sizeof text - 1) > 0 && strcmp(text, program) == 0);
    CHECK(fstatat(held, "", &through, AT_EMPTY_PATH) == 0 && S_ISLNK(through.st_mode));
    close(held);
    int self = open("/proc/self", O_PATH);
    for (unsigned long resolve = 1; resolve <= 0x10; resolve <<= 1) {
        struct open_how how = {.flags = O_RDONLY, .resolve = resolve};
        int opened = (int)syscall(SYS_openat2, self, "exe", &how, sizeof how);
        printf("resolve %#lx: %s\n", resolve, opened < 0 ? strerror(errno) : "opened");
        CHECK(opened < 0 || (fstat(opened, &through) == 0 && through.st_ino == own.st_ino));
        close(opened);
        opened = (int)syscall(SYS_openat2, self, "maps", &how, sizeof how);
        printf("resolve %#lx: %s\n", resolve, opened < 0 ? strerror(errno) : "opened");
        CHECK(opened < 0 || shows_program(opened));
    }
    close(self);
    /* What the files of mappings show, if they can be seen. */
    DIR *mapped = opendir("/proc/self/map_files");
    int strange = 0;
    for (struct dirent *entry; mapped && (entry = readdir(mapped));)
        if (entry->d_name[0] != '.') {
            char target[PATH_MAX] = "";
            strange += readlinkat(dirfd(mapped), entry->d_name, target, sizeof target - 1) > 0 &&
                       (strstr(target, "kvm") || strstr(target, "dangless"));
        }
    if (mapped)
        closedir(mapped);
    CHECK(strange == 0);
}

static void others(void)
{
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char word[8] = "here", copy[8] = "";
    struct iovec local = {copy, 8}, remote = {word, 8};
    CHECK(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 8 && !strcmp(copy, "here"));
    munmap(page, 4096);
    remote.iov_base = page;
    CHECK_ERRNO(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), EFAULT);
    CHECK_ERRNO(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), EFAULT);
    CHECK(ptrace(PTRACE_SEIZE, getpid(), 0, 0) == -1);
    CHECK(prctl(PR_SET_NAME, "hidden", 0, 0, 0) == 0);
    char name[16] = "";
    int file = open("/proc/self/comm", O_RDONLY);
    CHECK(read(file, name, 15) == 7 && !strcmp(name, "hidden\n"));
    close(file);
    int watch = inotify_init1(IN_NONBLOCK);
    CHECK(inotify_add_watch(watch, "/proc/self/exe", IN_ALL_EVENTS) > 0);
    close(watch);
    struct rlimit small = {4, 4};
    CHECK(setrlimit(RLIMIT_NOFILE, &small) == 0);
    CHECK(lives());
    CHECK(open("/dev/null", O_RDONLY) == 3);
    CHECK_ERRNO(open("/dev/null", O_RDONLY), EMFILE);
    close(3);
    CHECK(lives());
}

int main(int count, char **words)
{
    (void)count;
    CHECK(stat(words[0], &own) == 0 && realpath(words[0], program));
    descriptors();
    threads();
    files();
    others();
    return 0;
}
