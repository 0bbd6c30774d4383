// linking: glibc musl
// exit: 3
// The process ends from one thread while others compute and wait in the kernel.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ends[2];

static void *wait_for_ever(void *argument) {
    char byte;
    if (argument)
        for (;;)
            pause();
    for (;;)
        if (read(ends[0], &byte, 1) == 1)
            puts("FAIL: nothing was written");
}

static void *compute(void *argument) {
    for (volatile unsigned long count = 0;; count++)
        if (argument)
            free(malloc(count % 100));
}

static void *leave(void *argument) {
    usleep(20000);
    (void)argument;
    syscall(SYS_exit_group, 3);
    return NULL;
}

int main(void) {
    pthread_t thread;
    if (pipe(ends))
        return 1;
    puts("ok");
    fflush(stdout);
    for (long index = 0; index < 2; index++) {
        pthread_create(&thread, NULL, wait_for_ever, (void *)index);
        pthread_create(&thread, NULL, compute, (void *)index);
    }
    pthread_create(&thread, NULL, leave, NULL);
    /* The first thread is gone long before. */
    pthread_exit(NULL);
}
