// linking: glibc musl
// Mutexes in shared memory whose owner is killed, or becomes another program.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MUTEXES = 5 };

static pthread_mutex_t *mutexes;
static int ends[2];

static void ready(void)
{
    if (write(ends[1], "x", 1) != 1)
        _exit(9);
}

static void wait_ready(void)
{
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
}

static void lock_all(void)
{
    for (int i = 0; i < MUTEXES; i++)
        if (pthread_mutex_lock(&mutexes[i]))
            _exit(8);
}

static void find_all_dead(void)
{
    for (int i = 0; i < MUTEXES; i++) {
        CHECK(pthread_mutex_lock(&mutexes[i]) == EOWNERDEAD);
        CHECK(pthread_mutex_consistent(&mutexes[i]) == 0 && pthread_mutex_unlock(&mutexes[i]) == 0);
    }
}

static void *hold(void *unused)
{
    (void)unused;
    lock_all();
    ready();
    for (;;)
        pause();
}

int main(void)
{
    int status;
    mutexes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    CHECK(pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST) == 0);
    CHECK(pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED) == 0);
    for (int i = 0; i < MUTEXES; i++)
        CHECK(pthread_mutex_init(&mutexes[i], &kind) == 0);
    CHECK(pipe(ends) == 0);

    /* Killed while it waits, and while it computes. */
    int signals[] = {SIGKILL, SIGTERM, SIGKILL};
    for (int i = 0; i < 3; i++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            lock_all();
            ready();
            for (volatile int computes = 1; computes || i != 2;)
                if (i != 2)
                    pause();
        }
        wait_ready();
        CHECK(pthread_mutex_trylock(&mutexes[1]) == EBUSY);
        CHECK(kill(child, signals[i]) == 0 && waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signals[i]);
        find_all_dead();
    }

    /* What it has unlocked is nobody's, and what another has locked since is the other's. */
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        lock_all();
        sched_yield();
        pthread_mutex_unlock(&mutexes[0]);
        pthread_mutex_unlock(&mutexes[2]);
        pthread_mutex_unlock(&mutexes[4]);
        ready();
        for (;;)
            pause();
    }
    wait_ready();
    CHECK(pthread_mutex_lock(&mutexes[0]) == 0);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
    CHECK(pthread_mutex_unlock(&mutexes[0]) == 0);
    for (int i = 1; i < MUTEXES; i++) {
        CHECK(pthread_mutex_lock(&mutexes[i]) == (i % 2 ? EOWNERDEAD : 0));
        if (i % 2)
            CHECK(pthread_mutex_consistent(&mutexes[i]) == 0);
        CHECK(pthread_mutex_unlock(&mutexes[i]) == 0);
    }

    /* Who waits already is woken. */
    fflush(stdout);
    child = fork();
    if (child == 0) {
        lock_all();
        ready();
        for (;;)
            pause();
    }
    wait_ready();
    pid_t waiter = fork();
    if (waiter == 0) {
        ready();
        _exit(pthread_mutex_lock(&mutexes[3]) == EOWNERDEAD && pthread_mutex_consistent(&mutexes[3]) == 0 &&
              pthread_mutex_unlock(&mutexes[3]) == 0 ? 5 : 6);
    }
    wait_ready();
    usleep(20000);
    CHECK(waitpid(waiter, &status, WNOHANG) == 0);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
    CHECK(waitpid(waiter, &status, 0) == waiter && WEXITSTATUS(status) == 5);
    CHECK(pthread_mutex_lock(&mutexes[0]) == EOWNERDEAD && pthread_mutex_consistent(&mutexes[0]) == 0 &&
          pthread_mutex_unlock(&mutexes[0]) == 0);
    for (int i = 1; i < MUTEXES; i++)
        if (i != 3)
            CHECK(pthread_mutex_lock(&mutexes[i]) == EOWNERDEAD && pthread_mutex_consistent(&mutexes[i]) == 0 &&
                  pthread_mutex_unlock(&mutexes[i]) == 0);

    /* Another program takes the owner's place. */
    int gone[2];
    char byte;
    CHECK(pipe2(gone, O_CLOEXEC) == 0);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        lock_all();
        execl("/bin/sleep", "sleep", "60", (char *)NULL);
        _exit(7);
    }
    close(gone[1]);
    CHECK(read(gone[0], &byte, 1) == 0);
    find_all_dead();
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);

    /* A child in the owner's memory owns nothing of it. */
    lock_all();
    child = vfork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(7);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    fflush(stdout);
    child = fork();
    if (child == 0)
        _exit(pthread_mutex_trylock(&mutexes[0]) == EBUSY ? 3 : 4);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
    for (int i = 0; i < MUTEXES; i++)
        CHECK(pthread_mutex_unlock(&mutexes[i]) == 0);

    /* One thread of several. */
    fflush(stdout);
    child = fork();
    if (child == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, hold, NULL))
            _exit(9);
        for (;;)
            pause();
    }
    wait_ready();
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
    find_all_dead();
    return 0;
}
