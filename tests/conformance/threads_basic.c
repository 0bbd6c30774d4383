// linking: glibc musl
// Threads: beginning, end, what they have of their own, and what they share.
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static __thread int own = 7;
static pthread_key_t key;
static int destroyed, shared;

static void destroy(void *value) { destroyed += (int)(long)value; }

static void *twice(void *argument) {
    int first = own;
    own = (int)(long)argument;
    pthread_setspecific(key, argument);
    __atomic_add_fetch(&shared, 1, __ATOMIC_SEQ_CST);
    return (void *)(long)(first + 2 * own);
}

static void *ids(void *argument) {
    pid_t *seen = argument;
    seen[0] = getpid();
    seen[1] = (pid_t)syscall(SYS_gettid);
    return NULL;
}

static sem_t gate;

static void *detached(void *argument) {
    *(int *)argument = 1;
    sem_post(&gate);
    return NULL;
}

static void *with_stack(void *argument) {
    char *low = argument, here;
    return (void *)(long)(&here > low && &here < low + (256 << 10));
}

static void *deep(void *argument) {
    volatile char room[64 << 10];
    memset((char *)room, 1, sizeof room);
    return argument == NULL || room[100] != 1 ? NULL : argument;
}

static void *early(void *argument) { pthread_exit(argument); }

int main(void) {
    pthread_t thread, other;
    void *result;
    CHECK(pthread_key_create(&key, destroy) == 0);
    own = 1;
    CHECK(pthread_create(&thread, NULL, twice, (void *)3L) == 0);
    CHECK(pthread_create(&other, NULL, twice, (void *)4L) == 0);
    CHECK(pthread_join(thread, &result) == 0 && (long)result == 13);
    CHECK(pthread_join(other, &result) == 0 && (long)result == 15);
    CHECK(own == 1 && destroyed == 7 && shared == 2);

    pid_t seen[2];
    CHECK(pthread_create(&thread, NULL, ids, seen) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(seen[0] == getpid() && seen[1] != getpid());
    CHECK(getpid() == syscall(SYS_gettid));

    int done = 0;
    pthread_attr_t attributes;
    CHECK(sem_init(&gate, 0, 0) == 0);
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
    CHECK(pthread_create(&thread, &attributes, detached, &done) == 0);
    CHECK(sem_wait(&gate) == 0 && done == 1);

    char *stack = aligned_alloc(4096, 256 << 10);
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstack(&attributes, stack, 256 << 10) == 0);
    CHECK(pthread_create(&thread, &attributes, with_stack, stack) == 0);
    CHECK(pthread_join(thread, &result) == 0 && (long)result == 1);
    free(stack);
    CHECK(pthread_create(&thread, NULL, deep, &done) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == &done);

    CHECK(pthread_create(&thread, NULL, early, &done) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == &done);
    /* A vCPU that has been used before starts afresh. */
    long sum = 0;
    for (long index = 0; index < 200; index++) {
        if (pthread_create(&thread, NULL, twice, (void *)index) || pthread_join(thread, &result))
            break;
        sum += (long)result;
    }
    CHECK(sum == 200 * 7 + 199 * 200);
    return 0;
}
