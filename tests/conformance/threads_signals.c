// linking: glibc
// Signals to each of many threads that are alive, with values, and storms of them.
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MANY = 128, ROUNDS = 2, STORM = 3, SENT = 50 };
static __thread volatile long own_sum;
static __thread volatile long own_count;
static long sums[MANY], tids[MANY];
static sem_t ready, handled;
static volatile int over;

static void add(int signal, siginfo_t *info, void *context) {
    (void)context;
    (void)signal;
    own_sum += info->si_value.sival_int;
    own_count++;
    sem_post(&handled);
}

static void *many(void *argument) {
    long index = (long)argument;
    tids[index] = syscall(SYS_gettid);
    sem_post(&ready);
    while (own_count < ROUNDS)
        pause();
    sums[index] = own_sum;
    return NULL;
}

static volatile long noted;
static void note(int signal) {
    (void)signal;
    __atomic_add_fetch(&noted, 1, __ATOMIC_SEQ_CST);
    own_count++;
}

static void *busy(void *argument) {
    long wrong = 0;
    char *objects[32] = {0};
    for (long round = 0; !over; round++) {
        int index = round % 32;
        if (objects[index] && objects[index][3] != (char)index)
            wrong++;
        free(objects[index]);
        objects[index] = malloc(8 + round % 900);
        memset(objects[index], index, 8);
        if (round % 16 == 0 && getppid() < 0)
            wrong++;
    }
    *(long *)argument = own_count;
    for (int i = 0; i < 32; i++)
        free(objects[i]);
    return (void *)wrong;
}

static pthread_t aims[STORM];

static void *storm(void *argument) {
    long index = (long)argument, sent = 0;
    for (int i = 0; i < SENT; i++)
        sent += pthread_kill(aims[(index + i) % STORM], SIGUSR2) == 0;
    return (void *)sent;
}

static void *reads_signals(void *argument) {
    struct signalfd_siginfo info;
    long got = 0;
    while (read(*(int *)argument, &info, sizeof info) == sizeof info && info.ssi_int >= 0)
        got += info.ssi_int;
    return (void *)got;
}

static int order[64], arrived;
static void in_order(int signal, siginfo_t *info, void *context) {
    (void)context;
    if (arrived < 64)
        order[arrived++] = signal * 1000 + info->si_value.sival_int;
}

int main(void) {
    static pthread_t threads[MANY];
    struct sigaction action = {0};
    action.sa_sigaction = add;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(SIGRTMIN + 1, &action, NULL);
    sem_init(&ready, 0, 0);
    sem_init(&handled, 0, 0);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 << 10);
    int made = 0;
    for (long i = 0; i < MANY; i++)
        made += pthread_create(&threads[i], &attributes, many, (void *)i) == 0;
    CHECK(made == MANY);
    for (int i = 0; i < made; i++)
        while (sem_wait(&ready))
            ;
    int sent = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < made; i++) {
            siginfo_t info = {0};
            info.si_signo = SIGRTMIN + 1;
            info.si_code = SI_QUEUE;
            info.si_pid = getpid();
            info.si_value.sival_int = 1 + i * ROUNDS + round;
            sent += syscall(SYS_rt_tgsigqueueinfo, getpid(), tids[i], SIGRTMIN + 1, &info) == 0;
        }
        for (int i = 0; i < made; i++)
            while (sem_wait(&handled))
                ;
    }
    CHECK(sent == MANY * ROUNDS);
    /* One that was about to pause when the last came is woken. */
    for (int i = 0; i < made; i++) {
        while (!__atomic_load_n(&sums[i], __ATOMIC_SEQ_CST)) {
            siginfo_t info = {0};
            info.si_signo = SIGRTMIN + 1;
            info.si_code = SI_QUEUE;
            syscall(SYS_rt_tgsigqueueinfo, getpid(), tids[i], SIGRTMIN + 1, &info);
            usleep(2000);
        }
        pthread_join(threads[i], NULL);
    }
    int right = 0;
    for (long i = 0; i < made; i++)
        right += sums[i] == ROUNDS * (1 + i * ROUNDS) + ROUNDS * (ROUNDS - 1) / 2;
    CHECK(right == MANY);

    /* A storm at threads that allocate and make system calls. */
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR2, &action, NULL);
    static long counts[STORM];
    pthread_t senders[STORM];
    void *result;
    for (int i = 0; i < STORM; i++)
        pthread_create(&aims[i], NULL, busy, &counts[i]);
    for (long i = 0; i < STORM; i++)
        pthread_create(&senders[i], NULL, storm, (void *)i);
    long all = 0, wrong = 0, counted = 0;
    for (int i = 0; i < STORM; i++) {
        pthread_join(senders[i], &result);
        all += (long)result;
    }
    CHECK(all == STORM * SENT);
    over = 1;
    for (int i = 0; i < STORM; i++) {
        pthread_join(aims[i], &result);
        wrong += (long)result;
        counted += counts[i];
    }
    CHECK(wrong == 0);
    CHECK(noted >= STORM && noted <= STORM * SENT && counted <= noted);

    /* A descriptor that two threads read signals from. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int descriptor = signalfd(-1, &set, 0);
    CHECK(descriptor >= 0);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, reads_signals, &descriptor);
    int queued = 0;
    for (int i = 0; i < 100; i++)
        queued += sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = i % 20 ? 1 : 10}) == 0;
    CHECK(queued == 100);
    for (int i = 0; i < 2; i++)
        sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = -1});
    long got = 0;
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &result);
        got += (long)result;
    }
    CHECK(got == 95 + 50);

    /* Queued ones come lowest first, and of one kind in order; each handler runs to its end. */
    sigset_t block;
    sigemptyset(&block);
    action.sa_sigaction = in_order;
    action.sa_flags = SA_SIGINFO;
    sigfillset(&action.sa_mask);
    for (int i = 3; i < 8; i++) {
        sigaction(SIGRTMIN + i, &action, NULL);
        sigaddset(&block, SIGRTMIN + i);
    }
    pthread_sigmask(SIG_BLOCK, &block, NULL);
    for (int i = 7; i >= 3; i--)
        for (int j = 0; j < 5; j++)
            sigqueue(getpid(), SIGRTMIN + i, (union sigval){.sival_int = j});
    pthread_sigmask(SIG_UNBLOCK, &block, NULL);
    int sorted = arrived == 25;
    for (int i = 0; i + 1 < arrived; i++)
        sorted &= order[i] < order[i + 1];
    CHECK(sorted);
    return 0;
}
