// linking: glibc musl
// Futex operations by hand: wake-op, requeue, bit sets, absolute time-outs, priority inheritance, vectors.
#define _GNU_SOURCE
#include "check.h"
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    WAIT,
    WAKE,
    REQUEUE = 3,
    CMP_REQUEUE,
    WAKE_OP,
    LOCK_PI,
    UNLOCK_PI,
    TRYLOCK_PI,
    WAIT_BITSET,
    WAKE_BITSET,
    WAIT_REQUEUE_PI,
    CMP_REQUEUE_PI,
    LOCK_PI2,
    PRIVATE = 128,
    REALTIME = 256
};
enum { WAITERS = 6 };
#define OWNER_DIED 0x40000000u
#define TID_MASK 0x3fffffffu

static long futex(uint32_t *word, int operation, uint32_t value, const void *time, uint32_t *second,
                  uint32_t last) {
    return syscall(SYS_futex, word, operation, value, time, second, last);
}

static void *number(long value) { return (void *)value; }

struct waiting {
    uint32_t *word, bits;
    long result;
};

static void *wait_for(void *argument) {
    struct waiting *own = argument;
    own->result = futex(own->word, WAIT_BITSET | PRIVATE, 0, NULL, NULL, own->bits);
    return NULL;
}

/* Wakes in whatever way until `count` were woken. */
#define UNTIL(count, call)                                                                    \
    ({                                                                                        \
        long all_ = 0, one_;                                                                  \
        while (all_ < (count) && (one_ = (call)) >= 0)                                        \
            all_ += one_, usleep(500);                                                        \
        all_;                                                                                 \
    })

static struct waiting waiting[WAITERS];
static pthread_t threads[WAITERS];

static void start(uint32_t *word, int count, uint32_t bits) {
    for (int i = 0; i < count; i++) {
        waiting[i] = (struct waiting){word, bits ? bits : 1u << i, -2};
        if (pthread_create(&threads[i], NULL, wait_for, &waiting[i]))
            abort();
    }
}

static int finish(int count) {
    int good = 0;
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        good += waiting[i].result == 0;
    }
    return good;
}

static uint32_t pi_word, counter;

static void *with_pi(void *argument) {
    uint32_t own = (uint32_t)syscall(SYS_gettid);
    for (int round = 0; round < 200; round++) {
        uint32_t none = 0;
        if (!__atomic_compare_exchange_n(&pi_word, &none, own, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED) &&
            futex(&pi_word, argument ? LOCK_PI2 | PRIVATE : LOCK_PI | PRIVATE, 0, NULL, NULL, 0) != 0)
            return number(errno);
        counter++;
        uint32_t mine = own;
        if (!__atomic_compare_exchange_n(&pi_word, &mine, 0, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED) &&
            futex(&pi_word, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0) != 0)
            return number(errno);
    }
    return NULL;
}

static void *requeued(void *argument) {
    uint32_t *words = argument;
    long got = futex(&words[0], WAIT_REQUEUE_PI | PRIVATE, 0, NULL, &words[1], 0);
    if (got != 0)
        return number(errno);
    return number((words[1] & TID_MASK) == (uint32_t)syscall(SYS_gettid)
                      ? -futex(&words[1], UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0)
                      : 1000);
}

static void *dies_with(void *mutex) { return number(pthread_mutex_lock(mutex)); }

static void *locks_and_waits(void *shared) {
    pthread_mutex_lock(shared);
    *(volatile int *)((char *)shared + 2048) = 1;
    for (;;)
        pause();
}

static struct timespec in(clockid_t clock, long nanoseconds) {
    struct timespec at;
    clock_gettime(clock, &at);
    at.tv_nsec += nanoseconds;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

int main(void) {
    uint32_t *words = calloc(4, sizeof *words);

    start(&words[0], WAITERS, 0);
    CHECK(UNTIL(1, futex(&words[0], WAKE_BITSET | PRIVATE, INT_MAX, NULL, NULL, 1u << 3)) == 1);
    pthread_join(threads[3], NULL);
    CHECK(waiting[3].result == 0 && waiting[0].result == -2);
    CHECK(futex(&words[0], WAKE_BITSET | PRIVATE, INT_MAX, NULL, NULL, 1u << 30) == 0);
    CHECK_ERRNO(futex(&words[0], WAKE_BITSET | PRIVATE, 1, NULL, NULL, 0), EINVAL);
    CHECK(UNTIL(WAITERS - 1, futex(&words[0], WAKE_BITSET | PRIVATE, 1, NULL, NULL, ~0u)) == WAITERS - 1);
    for (int i = 0; i < WAITERS; i++)
        if (i != 3)
            pthread_join(threads[i], NULL);

    start(&words[0], 4, ~0u);
    CHECK(UNTIL(4, futex(&words[0], REQUEUE | PRIVATE, 0, number(INT_MAX), &words[1], 0)) == 4);
    CHECK(futex(&words[0], WAKE | PRIVATE, INT_MAX, NULL, NULL, 0) == 0);
    CHECK_ERRNO(futex(&words[0], CMP_REQUEUE | PRIVATE, 0, number(1), &words[1], 1), EAGAIN);
    /* Adds 5 to a word and wakes those who wait for it if it was less than 3. */
    words[2] = 2;
    uint32_t operation = 1u << 28 | 2u << 24 | 5u << 12 | 3u;
    CHECK(futex(&words[3], WAKE_OP | PRIVATE, 1, number(2), &words[2], operation) == 0 && words[2] == 7);
    words[1] = 0;
    operation = 0u << 28 | 0u << 24 | 9u << 12 | 0u;
    CHECK(futex(&words[3], WAKE_OP | PRIVATE, 1, number(3), &words[1], operation) == 3 && words[1] == 9);
    CHECK(futex(&words[1], WAKE | PRIVATE, INT_MAX, NULL, NULL, 0) == 1);
    CHECK(finish(4) == 4);
    words[1] = 0;

    struct timespec at = in(CLOCK_MONOTONIC, 5000000);
    CHECK_ERRNO(futex(&words[0], WAIT_BITSET | PRIVATE, 0, &at, NULL, ~0u), ETIMEDOUT);
    at = in(CLOCK_REALTIME, 5000000);
    CHECK_ERRNO(futex(&words[0], WAIT_BITSET | PRIVATE | REALTIME, 0, &at, NULL, ~0u), ETIMEDOUT);
    at.tv_nsec = 1000000000;
    CHECK_ERRNO(futex(&words[0], WAIT_BITSET | PRIVATE | REALTIME, 0, &at, NULL, ~0u), EINVAL);
    CHECK_ERRNO(futex(&words[0], WAIT | PRIVATE, 0, (void *)8, NULL, 0), EFAULT);
    CHECK_ERRNO(futex(&words[0], 77, 0, NULL, NULL, 0), ENOSYS);

    for (long kind = 0; kind < 2; kind++) {
        counter = 0;
        void *wrong = NULL, *one;
        for (int i = 0; i < WAITERS; i++)
            pthread_create(&threads[i], NULL, with_pi, number(kind));
        for (int i = 0; i < WAITERS; i++) {
            pthread_join(threads[i], &one);
            wrong = one ? one : wrong;
        }
        CHECK(wrong == NULL && counter == WAITERS * 200 && pi_word == 0);
    }
    uint32_t own = (uint32_t)syscall(SYS_gettid);
    pi_word = own;
    CHECK_ERRNO(futex(&pi_word, LOCK_PI | PRIVATE, 0, NULL, NULL, 0), EDEADLK);
    CHECK_ERRNO(futex(&pi_word, TRYLOCK_PI | PRIVATE, 0, NULL, NULL, 0), EDEADLK);
    pi_word = 0x3ffffff0;
    CHECK_ERRNO(futex(&pi_word, LOCK_PI | PRIVATE, 0, NULL, NULL, 0), ESRCH);
    CHECK_ERRNO(futex(&pi_word, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0), EPERM);
    pi_word = 0;
    CHECK(futex(&pi_word, TRYLOCK_PI | PRIVATE, 0, NULL, NULL, 0) == 0 && pi_word == own);
    CHECK(futex(&pi_word, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0) == 0 && pi_word == 0);

    words[0] = 0;
    words[1] = 0;
    CHECK(futex(&words[1], LOCK_PI | PRIVATE, 0, NULL, NULL, 0) == 0);
    pthread_create(&threads[0], NULL, requeued, words);
    CHECK(UNTIL(1, futex(&words[0], CMP_REQUEUE_PI | PRIVATE, 1, number(1), &words[1], 0)) == 1);
    CHECK(futex(&words[1], UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0) == 0);
    void *result = number(-1);
    pthread_join(threads[0], &result);
    CHECK(result == NULL && (words[1] & TID_MASK) == 0);

    /* A robust one that inherits priority, and whose owner ends. */
    pthread_mutexattr_t kind;
    pthread_mutex_t *mutex = malloc(sizeof *mutex);
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    CHECK(pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT) == 0);
    CHECK(pthread_mutex_init(mutex, &kind) == 0);
    pthread_create(&threads[0], NULL, dies_with, mutex);
    pthread_join(threads[0], NULL);
    CHECK(pthread_mutex_lock(mutex) == EOWNERDEAD && pthread_mutex_consistent(mutex) == 0);
    CHECK(pthread_mutex_unlock(mutex) == 0);
    pthread_create(&threads[0], NULL, dies_with, mutex);
    pthread_join(threads[0], NULL);
    CHECK(pthread_mutex_lock(mutex) == EOWNERDEAD && pthread_mutex_unlock(mutex) == 0);
    CHECK(pthread_mutex_lock(mutex) == ENOTRECOVERABLE);

    /* One shared by processes, whose owner exits. */
    for (int how = 0; how < 3; how++) {
        pthread_mutex_t *shared =
            mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pthread_mutexattr_init(&kind);
        pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
        pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
        pthread_mutex_init(shared, &kind);
        volatile int *locked = (volatile int *)((char *)shared + 2048);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            if (how == 1) {
                /* A thread other than the first has it when the process ends. */
                pthread_create(&threads[0], NULL, locks_and_waits, (void *)shared);
                while (!*locked)
                    usleep(1000);
                usleep(10000);
                _exit(0);
            }
            pthread_mutex_lock(shared);
            *locked = 1;
            usleep(10000);
            if (how == 2)
                *(volatile int *)8 = 1;
            _exit(0);
        }
        while (!*locked)
            usleep(1000);
        CHECK(pthread_mutex_lock(shared) == EOWNERDEAD);
        CHECK(pthread_mutex_consistent(shared) == 0 && pthread_mutex_unlock(shared) == 0);
        waitpid(child, NULL, 0);
        munmap(shared, 4096);
    }

    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } vector[130] = {{0}};
    for (int i = 0; i < 130; i++) {
        vector[i].address = (uint64_t)&words[i % 2];
        vector[i].flags = 2 | PRIVATE;
    }
    words[0] = words[1] = 0;
    at = in(CLOCK_MONOTONIC, 5000000);
    CHECK_ERRNO(syscall(449, vector, 128, 0, &at, CLOCK_MONOTONIC), ETIMEDOUT);
    CHECK_ERRNO(syscall(449, vector, 129, 0, &at, CLOCK_MONOTONIC), EINVAL);
    CHECK_ERRNO(syscall(449, vector, 0, 0, &at, CLOCK_MONOTONIC), EINVAL);
    CHECK_ERRNO(syscall(449, vector, 2, 1, &at, CLOCK_MONOTONIC), EINVAL);
    CHECK_ERRNO(syscall(449, vector, 2, 0, &at, CLOCK_BOOTTIME), EINVAL);
    vector[1].value = 1;
    CHECK_ERRNO(syscall(449, vector, 2, 0, NULL, CLOCK_MONOTONIC), EAGAIN);
    vector[1].reserved = 1;
    CHECK_ERRNO(syscall(449, vector, 2, 0, NULL, CLOCK_MONOTONIC), EINVAL);
    CHECK_ERRNO(syscall(449, (void *)8, 2, 0, NULL, CLOCK_MONOTONIC), EFAULT);
    return 0;
}
