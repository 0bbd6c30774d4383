// linking: glibc musl
// The process lives until its last thread ends; then exit handlers run and output is flushed.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void goodbye(void) { puts("ok   goodbye"); }

static void *late(void *argument) {
    usleep(20000);
    printf("ok   late %s\n", (char *)argument);
    return NULL;
}

int main(void) {
    pthread_t thread;
    atexit(goodbye);
    pthread_create(&thread, NULL, late, "thread");
    puts("ok   first thread");
    pthread_exit(NULL);
}
