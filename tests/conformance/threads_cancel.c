// linking: glibc musl
// pthread_cancel: of a thread that waits in the kernel, that computes, and that holds it off.
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

static sem_t gate;

static void cleanup(void *argument) { *(int *)argument += 1; }

static void *cancelled(void *argument) {
    pthread_cleanup_push(cleanup, argument);
    sem_post(&gate);
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return NULL;
}

static void *computing(void *argument) {
    int old;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    sem_post(&gate);
    for (;;)
        ++*(volatile long *)argument;
    return NULL;
}

static void *holding_off(void *argument) {
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    sem_post(&gate);
    usleep(20000);
    *(int *)argument = 5;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    pthread_testcancel();
    *(int *)argument = 6;
    return NULL;
}

int main(void) {
    pthread_t thread;
    void *result;
    CHECK(sem_init(&gate, 0, 0) == 0);
    int cleaned = 0;
    CHECK(pthread_create(&thread, NULL, cancelled, &cleaned) == 0);
    CHECK(sem_wait(&gate) == 0 && pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED && cleaned == 1);

    static long count;
    CHECK(pthread_create(&thread, NULL, computing, &count) == 0);
    CHECK(sem_wait(&gate) == 0 && pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    int held = 0;
    CHECK(pthread_create(&thread, NULL, holding_off, &held) == 0);
    CHECK(sem_wait(&gate) == 0 && pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED && held == 5);
    return 0;
}
