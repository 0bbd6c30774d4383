// linking: glibc musl
// 512 threads alive at once, each with its own stack, thread-local data and heap objects.
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 512 };
static pthread_barrier_t barrier;
static __thread long own;
static char *left[THREADS];

static void *work(void *argument) {
    long index = (long)argument;
    own = index;
    left[index] = malloc(64 + index);
    memset(left[index], (int)(index & 127), 64 + index);
    pthread_barrier_wait(&barrier);
    /* Free another thread's object. */
    char *other = left[(index + 1) % THREADS];
    long wrong = other[63] != (char)((index + 1) % THREADS & 127);
    free(other);
    return (void *)(wrong ? -1L : own);
}

int main(void) {
    static pthread_t threads[THREADS];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 << 10);
    pthread_barrier_init(&barrier, NULL, THREADS);
    int made = 0;
    for (long index = 0; index < THREADS; index++)
        made += pthread_create(&threads[index], &attributes, work, (void *)index) == 0;
    CHECK(made == THREADS);
    long sum = 0;
    for (int index = 0; index < made; index++) {
        void *result;
        pthread_join(threads[index], &result);
        sum += (long)result;
    }
    CHECK(sum == THREADS * (THREADS - 1) / 2);
    return 0;
}
