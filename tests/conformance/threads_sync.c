// linking: glibc musl
// Mutexes of every kind, conditions, barriers, read-write locks, semaphores, once, futexes.
#define _GNU_SOURCE
#include "check.h"
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    FUTEX_WAIT,
    FUTEX_WAKE,
    FUTEX_WAIT_PRIVATE = 128,
    FUTEX_WAKE_PRIVATE,
    FUTEX_CMP_REQUEUE_PRIVATE = 132
};
enum { THREADS = 6, ROUNDS = 300 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_rwlock_t many = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int count, initialised, turn, readers, worst;

static void initialise(void) { initialised++; }

static void *work(void *argument) {
    long own = (long)argument;
    pthread_once(&once, initialise);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_mutex_lock(&lock);
        count++;
        pthread_mutex_unlock(&lock);
        if (round % 50 == 0)
            pthread_barrier_wait(&barrier);
    }
    for (int round = 0; round < 20; round++) {
        pthread_mutex_lock(&lock);
        while (turn % THREADS != own)
            pthread_cond_wait(&change, &lock);
        turn++;
        pthread_cond_broadcast(&change);
        pthread_mutex_unlock(&lock);
    }
    for (int round = 0; round < 50; round++) {
        if ((round + own) % 10 == 0) {
            pthread_rwlock_wrlock(&many);
            if (readers)
                worst++;
            pthread_rwlock_unlock(&many);
        } else {
            pthread_rwlock_rdlock(&many);
            __atomic_add_fetch(&readers, 1, __ATOMIC_SEQ_CST);
            __atomic_sub_fetch(&readers, 1, __ATOMIC_SEQ_CST);
            pthread_rwlock_unlock(&many);
        }
    }
    return NULL;
}

static void *die_owning(void *argument) {
    pthread_mutex_lock(argument);
    return NULL;
}

static void *inherit(void *argument) {
    for (int round = 0; round < ROUNDS; round++) {
        pthread_mutex_lock(argument);
        count++;
        pthread_mutex_unlock(argument);
    }
    return NULL;
}

static long futex(uint32_t *word, int operation, uint32_t value, const struct timespec *time,
                  uint32_t *second, uint32_t last) {
    return syscall(SYS_futex, word, operation, value, time, second, last);
}

static uint32_t words[2];

static void *sleeper(void *argument) {
    (void)argument;
    long result = futex(&words[0], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    __atomic_add_fetch(&words[1], result == 0 ? 1 : 100, __ATOMIC_SEQ_CST);
    return NULL;
}

struct waiter {
    uint64_t value, address;
    uint32_t flags, reserved;
};

static void *waker(void *argument) {
    uint32_t *word = argument;
    usleep(20000);
    __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
    futex(word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (long index = 0; index < THREADS; index++)
        CHECK(pthread_create(&threads[index], NULL, work, (void *)index) == 0);
    for (int index = 0; index < THREADS; index++)
        pthread_join(threads[index], NULL);
    CHECK(count == THREADS * ROUNDS && initialised == 1 && turn == THREADS * 20 && worst == 0);

    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_t recursive, robust;
    CHECK(pthread_mutex_init(&recursive, &kind) == 0);
    CHECK(pthread_mutex_lock(&recursive) == 0 && pthread_mutex_lock(&recursive) == 0);
    CHECK(pthread_mutex_unlock(&recursive) == 0 && pthread_mutex_unlock(&recursive) == 0);
    CHECK(pthread_mutex_unlock(&recursive) == EPERM);

    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    CHECK(pthread_mutex_init(&robust, &kind) == 0);
    CHECK(pthread_create(&threads[0], NULL, die_owning, &robust) == 0);
    CHECK(pthread_join(threads[0], NULL) == 0);
    CHECK(pthread_mutex_lock(&robust) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(&robust) == 0 && pthread_mutex_unlock(&robust) == 0);
    CHECK(pthread_mutex_lock(&robust) == 0 && pthread_mutex_unlock(&robust) == 0);

    /* Priority inheritance, in heap memory. */
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT);
    pthread_mutex_t *heir = malloc(sizeof *heir);
    CHECK(pthread_mutex_init(heir, &kind) == 0);
    count = 0;
    for (int index = 0; index < THREADS; index++)
        CHECK(pthread_create(&threads[index], NULL, inherit, heir) == 0);
    for (int index = 0; index < THREADS; index++)
        pthread_join(threads[index], NULL);
    CHECK(count == THREADS * ROUNDS);
    free(heir);

    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += 20000000;
    if (at.tv_nsec >= 1000000000)
        at.tv_sec++, at.tv_nsec -= 1000000000;
    pthread_mutex_lock(&lock);
    CHECK(pthread_cond_timedwait(&change, &lock, &at) == ETIMEDOUT);
    pthread_mutex_unlock(&lock);
    sem_t *semaphore = malloc(sizeof *semaphore);
    CHECK(sem_init(semaphore, 0, 1) == 0 && sem_wait(semaphore) == 0);
    CHECK_ERRNO(sem_trywait(semaphore), EAGAIN);
    free(semaphore);

    struct timespec brief = {0, 1000000};
    CHECK_ERRNO(futex(words, FUTEX_WAIT, 1, NULL, NULL, 0), EAGAIN);
    CHECK_ERRNO(futex(words, FUTEX_WAIT, 0, &brief, NULL, 0), ETIMEDOUT);
    CHECK_ERRNO(futex((uint32_t *)((char *)words + 1), FUTEX_WAIT, 0, NULL, NULL, 0), EINVAL);
    CHECK_ERRNO(futex(NULL, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
    for (int index = 0; index < 4; index++)
        pthread_create(&threads[index], NULL, sleeper, NULL);
    /* One is woken, the others are moved to another word and woken there. */
    uint32_t other = 0;
    long moved = 0;
    while (moved < 4) {
        long result = futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, 0,
                            (struct timespec *)(long)4, &other, 0);
        if (result > 0)
            moved += result;
        usleep(1000);
    }
    CHECK(futex(&other, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 1);
    CHECK(futex(&other, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0) == 3);
    for (int index = 0; index < 4; index++)
        pthread_join(threads[index], NULL);
    CHECK(words[1] == 4);

    uint32_t *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(pthread_create(&threads[0], NULL, waker, mapped) == 0);
    while (!__atomic_load_n(mapped, __ATOMIC_SEQ_CST)) {
        long result = futex(mapped, FUTEX_WAIT, 0, NULL, NULL, 0);
        if (result != 0 && errno != EAGAIN)
            break;
    }
    CHECK(mapped[0] == 1);
    pthread_join(threads[0], NULL);

    uint32_t *first = calloc(1, 4), *second = calloc(1, 4);
    struct waiter waiters[2] = {{0, (uintptr_t)first, 2, 0}, {0, (uintptr_t)second, 2, 0}};
    CHECK(pthread_create(&threads[0], NULL, waker, second) == 0);
    long woken = syscall(449, waiters, 2, 0, NULL, CLOCK_MONOTONIC);
    CHECK(woken == 1 || (woken == -1 && errno == EAGAIN));
    pthread_join(threads[0], NULL);
    free(first);
    free(second);
    return 0;
}
