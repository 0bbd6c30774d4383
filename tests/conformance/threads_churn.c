// linking: glibc musl
// Threads allocate and free across each other, map and unmap memory, and compute meanwhile.
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { THREADS = 4, ROUNDS = 20000, SLOTS = 512 };
static char *slots[SLOTS];
static long bad;

static unsigned next(unsigned *state) {
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void *churn(void *argument) {
    unsigned state = (unsigned)(long)argument;
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = 16 + next(&state) % 600;
        char *object = malloc(size), mark = (char)next(&state);
        object[0] = (char)(size & 127);
        memset(object + 1, mark, size - 2);
        object[size - 1] = mark;
        char *old = __atomic_exchange_n(&slots[next(&state) % SLOTS], object, __ATOMIC_ACQ_REL);
        if (old) {
            /* The object is whole, whoever wrote it. */
            if (old[1] != old[2] || old[3] != old[1])
                __atomic_add_fetch(&bad, 1, __ATOMIC_SEQ_CST);
            free(old);
        }
    }
    return NULL;
}

static void *map(void *argument) {
    for (int round = 0; round < 200; round++) {
        size_t size = 4096 * (1 + round % 9);
        char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED)
            return argument;
        for (size_t offset = 0; offset < size; offset += 512)
            if (at[offset])
                __atomic_add_fetch(&bad, 1, __ATOMIC_SEQ_CST);
        memset(at, (int)(long)argument, size);
        for (size_t offset = 0; offset < size; offset += 512)
            if (at[offset] != (char)(long)argument)
                __atomic_add_fetch(&bad, 1, __ATOMIC_SEQ_CST);
        munmap(at, size);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS + 2];
    for (long index = 0; index < THREADS + 2; index++) {
        void *(*what)(void *) = index < THREADS ? churn : map;
        CHECK(pthread_create(&threads[index], NULL, what, (void *)(index + 1)) == 0);
    }
    for (int index = 0; index < THREADS + 2; index++) {
        void *result;
        CHECK(pthread_join(threads[index], &result) == 0 && result == NULL);
    }
    CHECK(bad == 0);
    for (int index = 0; index < SLOTS; index++)
        free(slots[index]);
    return 0;
}
