// linking: glibc dynamic
// As hiding, from several threads at once, from children, by tracing and signals to everybody, and
// in the programs that links lead to.
#define _GNU_SOURCE
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4

static pid_t ids[THREADS + 1];
static pthread_barrier_t gate;
static int wrong[THREADS + 1];

static int status_of(pid_t child)
{
    int status = -1;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int is_own(long id)
{
    for (int i = 0; i <= THREADS; i++)
        if (ids[i] == id)
            return 1;
    return 0;
}

static long text_of(const char *path, char *text, size_t room)
{
    int file = open(path, O_RDONLY);
    size_t length = 0;
    ssize_t got;
    while (file >= 0 && (got = read(file, text + length, room - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = 0;
    if (file >= 0)
        close(file);
    return file < 0 ? -1 : (long)length;
}

/* The number after a word in a text. */
static long after(const char *text, const char *word)
{
    const char *found = strstr(text, word);
    return found ? strtol(found + strlen(word), NULL, 10) : -1;
}

/* How much of what the kernel tells of the process is not the program's `threads`. */
static int foreign(int threads)
{
    char text[1 << 14], path[128];
    int count = 0, listed = 0;
    DIR *folder = opendir("/proc/self/task");
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.') {
            listed++;
            count += !is_own(atol(entry->d_name));
        }
    if (folder)
        closedir(folder);
    count += listed != threads;
    count += text_of("/proc/self/status", text, sizeof text) < 0 || after(text, "Threads:") != threads;
    snprintf(path, sizeof path, "/proc/%d/status", getpid());
    count += text_of(path, text, sizeof text) < 0 || after(text, "Threads:") != threads;
    count += text_of("/proc/thread-self/stat", text, sizeof text) < 0 || atol(text) != gettid();
    char link[64] = "";
    snprintf(path, sizeof path, "%d/task/%d", getpid(), gettid());
    count += readlink("/proc/thread-self", link, sizeof link - 1) < 0 || strcmp(link, path);
    for (int i = 0; i < threads; i++) {
        static const char *const files[] = {"stat", "status", "maps", "comm"};
        for (int file = 0; file < 4; file++) {
            snprintf(path, sizeof path, "/proc/self/task/%d/%s", ids[i], files[file]);
            count += text_of(path, text, sizeof text) <= 0;
            count += strstr(text, "kvm") || strstr(text, "dangless-vmm");
        }
        cpu_set_t set;
        count += syscall(SYS_tgkill, getpid(), ids[i], 0) != 0;
        count += sched_getaffinity(ids[i], sizeof set, &set) != 0;
    }
    for (pid_t id = getpid() + 1; id < getpid() + 40; id++) {
        if (is_own(id))
            continue;
        count += syscall(SYS_tgkill, getpid(), id, 0) == 0;
        snprintf(path, sizeof path, "/proc/self/task/%d", id);
        count += access(path, F_OK) == 0;
    }
    return count;
}

/* Descriptors that are open, by looking at each number and by the list. */
static int open_ones(void)
{
    int count = 0, listed = 0;
    for (int at = 0; at < 1024; at++)
        count += fcntl(at, F_GETFD) >= 0;
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        listed += entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder);
    if (folder)
        closedir(folder);
    return count == listed ? count : -1;
}

static void *work(void *number)
{
    int own = (int)(long)number;
    ids[own] = gettid();
    pthread_barrier_wait(&gate);
    wrong[own] = foreign(THREADS + 1);
    pthread_barrier_wait(&gate);
    /* What another thread closes is the program's alone. */
    if (own == 1 && syscall(SYS_close_range, 3, ~0u, 0) != 0)
        wrong[own]++;
    pthread_barrier_wait(&gate);
    char *block = malloc(10000 * (size_t)own);
    wrong[own] += !block || foreign(THREADS + 1);
    free(block);
    pthread_barrier_wait(&gate);
    return NULL;
}

static void threads(void)
{
    pthread_t started[THREADS];
    pthread_barrier_init(&gate, NULL, THREADS + 1);
    ids[0] = getpid();
    for (long i = 0; i < THREADS; i++)
        pthread_create(&started[i], NULL, work, (void *)(i + 1));
    pthread_barrier_wait(&gate);
    CHECK(foreign(THREADS + 1) == 0);
    /* Nobody traces threads of the same process. */
    for (int i = 1; i <= THREADS; i++) {
        CHECK_ERRNO(ptrace(PTRACE_ATTACH, ids[i], 0, 0), EPERM);
        CHECK_ERRNO(ptrace(PTRACE_SEIZE, ids[i], 0, 0), EPERM);
    }
    pthread_barrier_wait(&gate);
    pthread_barrier_wait(&gate);
    pthread_barrier_wait(&gate);
    for (int i = 0; i < THREADS; i++)
        pthread_join(started[i], NULL);
    CHECK(!wrong[1] && !wrong[2] && !wrong[3] && !wrong[4]);
    memset(ids + 1, 0, sizeof ids - sizeof *ids);
    /* A thread that was joined may be seen for a moment. */
    for (int tries = 0; tries < 1000 && foreign(1) != 0; tries++)
        usleep(10000);
    CHECK(foreign(1) == 0 && open_ones() == 3);
}

/* A tracer sees the program, or there is no tracing. */
static void tracing(void)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        long traced = ptrace(PTRACE_TRACEME, 0, 0, 0);
        _exit(traced == 0 || errno == EPERM ? 0 : 1);
    }
    CHECK(status_of(child) == 0);
    volatile int word = 0x5eed;
    child = fork();
    if (child == 0) {
        pid_t parent = getppid();
        int bad = 0, status, copy = 0;
        struct iovec local = {&copy, 4}, remote = {(void *)&word, 4};
        bad += process_vm_readv(parent, &local, 1, &remote, 1, 0) == 4 && copy != 0x5eed;
        if (ptrace(PTRACE_SEIZE, parent, 0, 0) == 0 && ptrace(PTRACE_INTERRUPT, parent, 0, 0) == 0) {
            waitpid(parent, &status, __WALL);
            bad += (int)ptrace(PTRACE_PEEKDATA, parent, &word, 0) != 0x5eed;
            ptrace(PTRACE_DETACH, parent, 0, 0);
        } else {
            bad += errno != EPERM;
        }
        /* No thread of its that the parent does not know. */
        for (pid_t id = parent + 1; id < getpid(); id++) {
            char path[64];
            snprintf(path, sizeof path, "/proc/%d", id);
            if (access(path, F_OK) != 0)
                bad += ptrace(PTRACE_SEIZE, id, 0, 0) == 0 || kill(id, 0) == 0;
        }
        _exit(bad);
    }
    CHECK(status_of(child) == 0);
}

static volatile sig_atomic_t caught;
static void on_signal(int signal) { caught = signal; }

/* Waits for the signal; 1 if it came. */
static int waits(int ready)
{
    sigset_t open_set;
    sigprocmask(SIG_BLOCK, NULL, &open_set);
    sigdelset(&open_set, SIGUSR1);
    char byte = 'r';
    if (write(ready, &byte, 1) != 1)
        return 0;
    alarm(20);
    while (!caught)
        sigsuspend(&open_set);
    char *block = malloc(5000);
    free(block);
    return block && caught == SIGUSR1;
}

/* The first process of a space of its own, and what it makes: a signal to everybody reaches each
   process but the first and the sender, and nothing of what serves them. */
static int everybody(void)
{
    int ends[2];
    char byte;
    sigset_t block;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    if (getpid() != 1 || pipe(ends) != 0)
        return 2;
    pid_t waiting[2];
    for (int i = 0; i < 2; i++) {
        waiting[i] = fork();
        if (waiting[i] == 0)
            _exit(waits(ends[1]) ? 0 : 3);
        if (read(ends[0], &byte, 1) != 1)
            return 4;
    }
    pid_t sender = fork();
    if (sender == 0) {
        int sent = kill(-1, SIGUSR1);
        /* Where that is refused: to each of them. */
        if (sent != 0 && errno == EPERM)
            for (int i = sent = 0; i < 2; i++)
                sent |= kill(waiting[i], SIGUSR1);
        sigprocmask(SIG_UNBLOCK, &block, NULL);
        _exit(sent == 0 && !caught ? 0 : 5);
    }
    int bad = status_of(sender);
    bad += status_of(waiting[0]) + status_of(waiting[1]);
    sigprocmask(SIG_UNBLOCK, &block, NULL);
    return bad || caught ? 6 : 0;
}

static void signals(void)
{
    fflush(stdout);
    pid_t first = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (first == 0)
        _exit(everybody());
    if (first < 0)
        printf("no space of its own: %s\n", strerror(errno));
    else
        CHECK(status_of(first) == 0);
}

/* Becomes this program again by the way of that number. */
static void again(int way, const char *program)
{
    char number[16];
    snprintf(number, sizeof number, "%d", way + 1);
    char *words[] = {"renamed", number, (char *)program, NULL}, *none[] = {"PATH=/", NULL};
    char path[64];
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, way == 3 ? "/proc/self/fd/%d" : "/dev/fd/%d", file);
    fflush(stdout);
    switch (way) {
    case 0: execve("to-exe", words, none); break;
    case 1: execve("to-link", words, none); break;
    case 2: execve("folder/self/exe", words, none); break;
    case 3:
    case 4: execve(path, words, none); break;
    case 5: fexecve(file, words, none); break;
    case 6: execveat(open("/proc/self", O_PATH | O_CLOEXEC), "exe", words, none, 0); break;
    case 7: execve("/proc/thread-self/root/proc/thread-self/exe", words, none); break;
    }
    CHECK(!"execve");
}

int main(int count, char **words)
{
    static char program[PATH_MAX], text[PATH_MAX];
    if (count == 3) {
        int way = atoi(words[1]);
        ids[0] = getpid();
        printf("way %d\n", way - 1);
        ssize_t length = readlink("/proc/self/exe", text, sizeof text - 1);
        CHECK(length > 0 && !strcmp(text, words[2]) && !strcmp(words[0], "renamed"));
        CHECK(foreign(1) == 0 && open_ones() == 3);
        if (way < 8)
            again(way, words[2]);
        return 0;
    }
    CHECK(realpath(words[0], program) != NULL);
    CHECK(symlink("/proc/self/exe", "to-exe") == 0 && symlink("to-exe", "to-link") == 0);
    CHECK(symlink("/proc", "folder") == 0);
    ids[0] = getpid();
    CHECK(foreign(1) == 0 && open_ones() >= 3);
    threads();
    tracing();
    signals();
    again(0, program);
    return 1;
}
