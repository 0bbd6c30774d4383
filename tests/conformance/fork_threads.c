// linking: glibc musl
// flags: -pthread
// fork while other threads allocate and free: the child has one thread and a whole heap.
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int stop;
static atomic_long turns;

static void *churn(void *seed) {
    char *kept[64] = {0};
    unsigned state = (unsigned)(long)seed;
    while (!stop) {
        state = state * 1103515245 + 12345;
        unsigned slot = state >> 8 & 63;
        free(kept[slot]);
        size_t size = 16 + (state >> 14) % 2000;
        kept[slot] = malloc(size);
        memset(kept[slot], (int)slot, size);
        turns++;
    }
    for (int i = 0; i < 64; i++)
        free(kept[i]);
    return NULL;
}

static void *child_thread(void *result) {
    char *block = malloc(1000);
    memset(block, 1, 1000);
    *(int *)result = block[999];
    free(block);
    return NULL;
}

static void *forker(void *unused) {
    (void)unused;
    long good = 0;
    for (int i = 0; i < 6; i++) {
        pid_t child = fork();
        if (child == 0) {
            int result[3] = {0};
            pthread_t threads[3];
            for (int j = 0; j < 3; j++)
                pthread_create(&threads[j], NULL, child_thread, &result[j]);
            char *blocks[100];
            for (int j = 0; j < 100; j++) {
                blocks[j] = malloc(16 + j * 20);
                memset(blocks[j], j, 16 + j * 20);
            }
            for (int j = 0; j < 100; j++)
                free(blocks[j]);
            for (int j = 0; j < 3; j++)
                pthread_join(threads[j], NULL);
            _exit(result[0] + result[1] + result[2] + i);
        }
        int status;
        good += waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 3 + i;
    }
    return (void *)good;
}

int main(void) {
    pthread_t threads[2], other;
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    while (turns < 1000)
        usleep(100);
    CHECK(forker(NULL) == (void *)6);
    void *result;
    pthread_create(&other, NULL, forker, NULL);
    pthread_join(other, &result);
    CHECK(result == (void *)6);
    /* A child that another thread than the first makes ends with its last thread. */
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    puts("end");
    return 0;
}
