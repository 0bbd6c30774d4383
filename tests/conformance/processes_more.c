// linking: glibc
// fork from threads, atfork handlers, execve from a thread, daemons, orphans, locks across processes.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int status_of(pid_t child) {
    int status = -1;
    return waitpid(child, &status, 0) == child ? status : -1;
}

static char order[64];
static void mark(const char *what) {
    if (strlen(order) + 2 < sizeof order)
        strcat(order, what);
}
static void before_one(void) { mark("a"); }
static void before_two(void) { mark("b"); }
static void parent_one(void) { mark("p"); }
static void parent_two(void) { mark("q"); }
static void child_one(void) { mark("c"); }
static void child_two(void) { mark("d"); }

static volatile int over;
static void *churn(void *argument) {
    char *objects[64] = {0};
    unsigned state = (unsigned)(long)argument;
    while (!over) {
        state = state * 1103515245 + 12345;
        int index = state >> 16 & 63;
        free(objects[index]);
        objects[index] = malloc(state >> 22);
    }
    for (int i = 0; i < 64; i++)
        free(objects[i]);
    return NULL;
}

static void *forks(void *argument) {
    long good = 0;
    for (int round = 0; round < (long)argument; round++) {
        char *object = malloc(100);
        strcpy(object, "before");
        pid_t child = fork();
        if (child == 0) {
            int fine = strcmp(object, "before") == 0;
            free(object);
            for (int i = 0; i < 100; i++)
                free(malloc(i * 10));
            _exit(fine ? 17 : 1);
        }
        int status = status_of(child);
        good += WIFEXITED(status) && WEXITSTATUS(status) == 17;
        free(object);
    }
    return (void *)good;
}

static volatile int forked_in_handler;
static void fork_in_handler(int signal) {
    (void)signal;
    pid_t child = fork();
    if (child == 0)
        _exit(6);
    forked_in_handler = WEXITSTATUS(status_of(child));
}

static char *self;
static void *becomes(void *argument) {
    char *words[] = {"become", argument, NULL}, *none[] = {NULL};
    execve(self, words, none);
    return NULL;
}

static void *sleeps(void *argument) {
    for (;;)
        pause();
    return argument;
}

struct shared {
    pthread_mutex_t lock;
    pthread_cond_t change;
    pthread_barrier_t barrier;
    sem_t semaphore;
    int count;
};

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[0], "become") == 0)
        return getpid() == atoi(arguments[1]) && syscall(SYS_gettid) == getpid() &&
                       fcntl(50, F_GETFD) == -1 && fcntl(51, F_GETFD) == 0
                   ? 33
                   : 1;
    if (count > 3)
        return count == 3000 && strlen(arguments[2999]) == 30 && strcmp(getenv("V1999"), "x") == 0 ? 34 : 1;
    self = realpath("/proc/self/exe", NULL);
    pthread_atfork(before_one, parent_one, child_one);
    pthread_atfork(before_two, parent_two, child_two);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(strcmp(order, "bacd") == 0 ? 4 : 1);
    CHECK(strcmp(order, "bapq") == 0);
    CHECK(WEXITSTATUS(status_of(child)) == 4);

    /* fork while others allocate. */
    pthread_t threads[4];
    void *result;
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    pthread_t forker;
    pthread_create(&forker, NULL, forks, (void *)3L);
    pthread_join(forker, &result);
    CHECK((long)result == 3);
    over = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);

    signal(SIGUSR1, fork_in_handler);
    raise(SIGUSR1);
    CHECK(forked_in_handler == 6);

    /* A thread that is not the first becomes another program, which has the process's id. */
    dup2(1, 50);
    fcntl(50, F_SETFD, FD_CLOEXEC);
    dup2(1, 51);
    child = fork();
    if (child == 0) {
        static char id[20];
        snprintf(id, sizeof id, "%d", getpid());
        pthread_create(&threads[0], NULL, sleeps, NULL);
        pthread_create(&threads[1], NULL, becomes, id);
        for (;;)
            pause();
    }
    int status = status_of(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 33);
    close(50);
    close(51);

    /* Many arguments and variables. */
    child = fork();
    if (child == 0) {
        static char *words[3001], *variables[2001];
        for (int i = 0; i < 3000; i++) {
            words[i] = malloc(31);
            snprintf(words[i], 31, "%030d", i);
        }
        for (int i = 0; i < 2000; i++) {
            variables[i] = malloc(10);
            snprintf(variables[i], 10, "V%d=x", i);
        }
        execve(self, words, variables);
        _exit(1);
    }
    status = status_of(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 34);

    /* A daemon: its parent is gone, and it has a session. */
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    child = fork();
    if (child == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        while (getppid() == getsid(0))
            usleep(1000);
        int good = getsid(0) != getpid() && getppid() != getsid(0);
        good &= chdir("/") == 0 && umask(0) >= 0;
        for (int i = 0; i < 3; i++)
            good &= close(i) == 0;
        good &= open("/dev/null", O_RDWR) == 0;
        _exit(write(ends[1], &good, sizeof good) == sizeof good ? 8 : 1);
    }
    CHECK(status_of(child) == 0);
    int good = 0;
    CHECK(read(ends[0], &good, sizeof good) == sizeof good && good == 1);
    /* It has become ours. */
    CHECK(wait(&status) > 0 && WEXITSTATUS(status) == 8);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);

    /* The signal for a parent's death. */
    child = fork();
    if (child == 0) {
        if (fork() == 0) {
            signal(SIGTERM, SIG_DFL);
            close(ends[0]);
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            if (write(ends[1], "r", 1) != 1)
                _exit(1);
            for (;;)
                pause();
        }
        char byte;
        _exit(read(ends[0], &byte, 1) == 1 && byte == 'r' ? 0 : 1);
    }
    CHECK(status_of(child) == 0);
    close(ends[1]);
    char byte;
    CHECK(read(ends[0], &byte, 1) == 0);
    close(ends[0]);

    /* What processes may share to wait for each other. */
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t mutex;
    pthread_condattr_t condition;
    pthread_barrierattr_t barrier;
    pthread_mutexattr_init(&mutex);
    pthread_condattr_init(&condition);
    pthread_barrierattr_init(&barrier);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
    pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->lock, &mutex);
    pthread_cond_init(&shared->change, &condition);
    pthread_barrier_init(&shared->barrier, &barrier, 3);
    sem_init(&shared->semaphore, 1, 0);
    pid_t children[2];
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            pthread_barrier_wait(&shared->barrier);
            for (int round = 0; round < 50; round++) {
                pthread_mutex_lock(&shared->lock);
                while (shared->count % 2 != i)
                    pthread_cond_wait(&shared->change, &shared->lock);
                shared->count++;
                pthread_cond_broadcast(&shared->change);
                pthread_mutex_unlock(&shared->lock);
            }
            sem_post(&shared->semaphore);
            _exit(0);
        }
    }
    pthread_barrier_wait(&shared->barrier);
    CHECK(sem_wait(&shared->semaphore) == 0 && sem_wait(&shared->semaphore) == 0);
    CHECK(shared->count == 100);
    CHECK(status_of(children[0]) == 0 && status_of(children[1]) == 0);
    return 0;
}
