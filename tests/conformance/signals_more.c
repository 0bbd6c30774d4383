// linking: glibc musl
// Timers that call functions or signal threads, processor-time timers, overflowed stacks that are left.
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static sem_t called;
static volatile int value;
static void call(union sigval argument) {
    value = argument.sival_int;
    sem_post(&called);
}

static __thread volatile int own;
static void tick(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    own += info->si_code == SI_TIMER ? 1 + info->si_value.sival_int : 1000;
}

static sem_t ready;
static pid_t thread_id;
static void *ticked(void *argument) {
    thread_id = (pid_t)syscall(SYS_gettid);
    sem_post(&ready);
    while (own < 11 * 5)
        usleep(500);
    *(int *)argument = own % 11;
    return NULL;
}

static volatile int virtual, profiled;
static void spent(int signal) { signal == SIGVTALRM ? virtual++ : profiled++; }

static sigjmp_buf out;
static volatile void *where;
static void overflowed(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    where = info->si_addr;
    siglongjmp(out, 1);
}

__attribute__((noinline)) static int deep(int depth) {
    volatile char room[2000];
    room[depth % 2000] = (char)depth;
    return deep(depth + 1) + room[0];
}

static void *overflows(void *argument) {
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigaltstack(&stack, NULL);
    volatile long left = 0;
    for (volatile int round = 0; round < 20; round++) {
        if (sigsetjmp(out, 1) == 0)
            deep(0);
        else
            left++;
    }
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    free(stack.ss_sp);
    return (void *)(left == 20 ? argument : NULL);
}

int main(void) {
    timer_t timer;
    struct sigevent event = {0};
    sem_init(&called, 0, 0);
    sem_init(&ready, 0, 0);
    event.sigev_notify = SIGEV_THREAD;
    event.sigev_notify_function = call;
    event.sigev_value.sival_int = 41;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec each = {{0, 2000000}, {0, 2000000}}, now;
    CHECK(timer_settime(timer, 0, &each, NULL) == 0);
    for (int i = 0; i < 5; i++)
        CHECK(sem_wait(&called) == 0);
    CHECK(value == 41 && timer_gettime(timer, &now) == 0 && now.it_interval.tv_nsec == 2000000);
    CHECK(timer_delete(timer) == 0);

    struct sigaction action = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGRTMIN + 4, &action, NULL);
    pthread_t thread;
    int rest = -1;
    pthread_create(&thread, NULL, ticked, &rest);
    sem_wait(&ready);
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGRTMIN + 4;
    event.sigev_value.sival_int = 10;
    event.sigev_notify_thread_id = thread_id;
    CHECK(timer_create(CLOCK_REALTIME, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &each, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK(rest == 0 && own == 0);
    CHECK(timer_delete(timer) == 0);
    CHECK_ERRNO(timer_create(CLOCK_REALTIME, &(struct sigevent){.sigev_notify = 77}, &timer), EINVAL);

    /* Overruns are counted while the signal is blocked. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 4);
    sigprocmask(SIG_BLOCK, &set, NULL);
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGRTMIN + 4;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    each.it_interval.tv_nsec = each.it_value.tv_nsec = 1000000;
    CHECK(timer_settime(timer, 0, &each, NULL) == 0);
    usleep(20000);
    siginfo_t info;
    CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 4 && info.si_code == SI_TIMER);
    CHECK(info.si_overrun >= 15 && timer_getoverrun(timer) >= info.si_overrun);
    CHECK(timer_delete(timer) == 0);

    action.sa_handler = spent;
    action.sa_flags = SA_RESTART;
    sigaction(SIGVTALRM, &action, NULL);
    sigaction(SIGPROF, &action, NULL);
    struct itimerval brief = {{0, 5000}, {0, 5000}}, off = {{0, 0}, {0, 0}}, before;
    CHECK(setitimer(ITIMER_PROF, &brief, NULL) == 0);
    while (profiled < 3)
        ;
    CHECK(setitimer(ITIMER_PROF, &off, &before) == 0 && before.it_interval.tv_usec == 5000);
    CHECK(setitimer(ITIMER_VIRTUAL, &brief, NULL) == 0);
    while (virtual < 3)
        ;
    CHECK(setitimer(ITIMER_VIRTUAL, &off, NULL) == 0);

    /* A stack that runs over, again and again, is left by a jump. */
    action.sa_sigaction = overflowed;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, NULL);
    struct rlimit limit = {1 << 20, 8 << 20};
    setrlimit(RLIMIT_STACK, &limit);
    CHECK(overflows(&limit) == &limit);
    void *result = NULL;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    CHECK(pthread_create(&thread, &attributes, overflows, &limit) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == &limit);
    return 0;
}
