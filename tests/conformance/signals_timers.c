// linking: glibc musl
// Timers, signal descriptors, and signals to single threads.
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int overall, last_value;
static __thread volatile int own;

static void tick(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    overall++;
    own++;
    last_value = info->si_value.sival_int;
}

static pthread_barrier_t barrier;

static void *wait_for_signal(void *argument) {
    pthread_barrier_wait(&barrier);
    while (!own)
        usleep(1000);
    *(int *)argument = own;
    return NULL;
}

static void *blocks(void *argument) {
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    *(int *)argument = sigismember(&now, SIGUSR2);
    return NULL;
}

int main(void) {
    struct sigaction action = {0};
    action.sa_sigaction = tick;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGRTMIN, &action, NULL);

    timer_t timer;
    struct sigevent event = {0};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGRTMIN;
    event.sigev_value.sival_int = 99;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec each = {{0, 2000000}, {0, 2000000}}, rest;
    CHECK(timer_settime(timer, 0, &each, NULL) == 0);
    while (overall < 5)
        ;
    CHECK(timer_gettime(timer, &rest) == 0 && rest.it_interval.tv_nsec == 2000000);
    CHECK(timer_delete(timer) == 0 && last_value == 99);

    /* To one thread. */
    pthread_t thread;
    int got = 0;
    pthread_barrier_init(&barrier, NULL, 2);
    own = 0;
    CHECK(pthread_create(&thread, NULL, wait_for_signal, &got) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(pthread_kill(thread, SIGUSR1) == 0);
    CHECK(pthread_join(thread, NULL) == 0 && got == 1 && own == 0);

    /* A thread starts with the mask of the one that made it. */
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    CHECK(pthread_create(&thread, NULL, blocks, &got) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(got == 1);

    /* Queued real-time signals come all, in order, through a descriptor. */
    sigaddset(&set, SIGRTMIN + 1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    CHECK(descriptor >= 0);
    for (int index = 0; index < 3; index++)
        CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = index}) == 0);
    struct signalfd_siginfo infos[4];
    CHECK(read(descriptor, infos, sizeof infos) == 3 * sizeof infos[0]);
    CHECK(infos[0].ssi_int == 0 && infos[1].ssi_int == 1 && infos[2].ssi_int == 2);
    CHECK((int)infos[0].ssi_signo == SIGRTMIN + 1 && infos[0].ssi_code == SI_QUEUE);
    CHECK_ERRNO(read(descriptor, infos, sizeof infos), EAGAIN);
    return 0;
}
