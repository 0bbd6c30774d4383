// linking: glibc musl
// pthread_cancel at every kind of cancellation point, before and while it waits.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int empty[2], full[2], pair[2], listening, epoll, file, messages;
static mqd_t queue;
static char fifo[64];
static sem_t never, started;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static pthread_t sleeper;
static pid_t child;
static sigset_t usual;

static struct timespec later(void) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += 1000;
    return at;
}

static void point(int which) {
    static char buffer[1 << 16];
    char byte;
    struct iovec vector = {&byte, 1}, big = {buffer, sizeof buffer};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    struct pollfd polled = {empty[0], POLLIN, 0};
    struct timespec long_time = {1000, 0}, at = later();
    struct timeval long_value = {1000, 0};
    struct epoll_event event;
    struct flock all = {.l_type = F_WRLCK};
    struct {
        long type;
        char text[8];
    } message = {1, ""};
    siginfo_t info;
    sigset_t none, one;
    fd_set set;
    int number;
    sigemptyset(&none);
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    FD_ZERO(&set);
    FD_SET(empty[0], &set);
    switch (which) {
    case 0: read(empty[0], &byte, 1); break;
    case 1: readv(empty[0], &vector, 1); break;
    case 2: write(full[1], buffer, sizeof buffer); break;
    case 3: writev(full[1], &big, 1); break;
    case 4: recv(pair[0], &byte, 1, 0); break;
    case 5: recvfrom(pair[0], &byte, 1, 0, NULL, NULL); break;
    case 6: recvmsg(pair[0], &header, 0); break;
    case 7: for (;;) send(pair[1], buffer, sizeof buffer, 0);
    case 8: accept(listening, NULL, NULL); break;
    case 9: poll(&polled, 1, -1); break;
    case 10: ppoll(&polled, 1, &long_time, NULL); break;
    case 11: select(empty[0] + 1, &set, NULL, NULL, &long_value); break;
    case 12: pselect(empty[0] + 1, &set, NULL, NULL, NULL, &none); break;
    case 13: epoll_wait(epoll, &event, 1, -1); break;
    case 14: epoll_pwait(epoll, &event, 1, -1, &none); break;
    case 15: nanosleep(&long_time, NULL); break;
    case 16: clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL); break;
    case 17: sleep(1000); break;
    case 18: pause(); break;
    case 19: sigsuspend(&none); break;
    case 20: sigwait(&one, &number); break;
    case 21: sigwaitinfo(&one, &info); break;
    case 22: sigtimedwait(&one, &info, &long_time); break;
    case 23: sem_wait(&never); break;
    case 24: sem_timedwait(&never, &at); break;
    case 25:
    case 26:
        pthread_mutex_lock(&lock);
        pthread_cleanup_push((void (*)(void *))pthread_mutex_unlock, &lock);
        for (;;)
            which == 25 ? pthread_cond_wait(&change, &lock)
                        : pthread_cond_timedwait(&change, &lock, &at);
        pthread_cleanup_pop(1);
        break;
    case 27: pthread_join(sleeper, NULL); break;
    case 28: waitpid(child, NULL, 0); break;
    case 29: waitid(P_PID, child, &info, WEXITED); break;
    case 30: msgrcv(messages, &message, sizeof message.text, 7, 0); break;
    case 31: for (;;) msgsnd(messages, &message, sizeof message.text, 0);
    case 32: mq_receive(queue, buffer, 64, NULL); break;
    case 33: mq_timedreceive(queue, buffer, 64, NULL, &at); break;
    case 34: fcntl(file, F_SETLKW, &all); break;
    case 35: lockf(file, F_LOCK, 0); break;
    case 36: open(fifo, O_RDONLY); break;
    case 37: for (;;) pthread_testcancel();
    case 38: for (;;) close(dup(0)), usleep(100);
    case 39: wait(NULL); break;
    case 40: connect(pair[0], NULL, 0); pause(); break;
    default: break;
    }
}
enum { POINTS = 41 };

static volatile int cleaned, returned;
static void clean(void *argument) { cleaned += (int)(long)argument; }

static void *waits(void *argument) {
    pthread_cleanup_push(clean, (void *)1);
    sem_post(&started);
    point((int)(long)argument);
    returned++;
    pthread_cleanup_pop(0);
    return NULL;
}

static void *sleeps(void *argument) {
    for (;;)
        pause();
    return argument;
}

int main(void) {
    sigset_t block;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, &usual);
    signal(SIGPIPE, SIG_IGN);
    sem_init(&never, 0, 0);
    sem_init(&started, 0, 0);
    if (pipe(empty) || pipe(full) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        return 1;
    fcntl(full[1], F_SETFL, O_NONBLOCK);
    char page[4096] = {0};
    while (write(full[1], page, sizeof page) > 0)
        ;
    fcntl(full[1], F_SETFL, 0);
    listening = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CHECK(bind(listening, (void *)&address, sizeof(sa_family_t)) == 0 && listen(listening, 1) == 0);
    epoll = epoll_create1(0);
    snprintf(fifo, sizeof fifo, "/tmp/dangless-fifo-%d", getpid());
    CHECK(mkfifo(fifo, 0600) == 0);
    messages = msgget(IPC_PRIVATE, 0600);
    CHECK(messages >= 0);
    char name[64];
    snprintf(name, sizeof name, "/dangless-cancel-%d", getpid());
    struct mq_attr shape = {.mq_maxmsg = 2, .mq_msgsize = 8};
    queue = mq_open(name, O_CREAT | O_RDWR, 0600, &shape);
    CHECK(queue != -1 && mq_unlink(name) == 0);
    char path[] = "/tmp/dangless-lock-XXXXXX";
    file = mkstemp(path);
    unlink(path);
    int told[2];
    if (pipe(told))
        return 1;
    fflush(stdout);
    child = fork();
    if (child == 0) {
        struct flock all = {.l_type = F_WRLCK};
        fcntl(file, F_SETLKW, &all);
        if (write(told[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char byte;
    CHECK(read(told[0], &byte, 1) == 1);
    CHECK(pthread_create(&sleeper, NULL, sleeps, NULL) == 0);
    for (long which = 0; which < POINTS; which++)
        for (int late = 0; late < 2; late++) {
            pthread_t thread;
            cleaned = returned = 0;
            if (pthread_create(&thread, NULL, waits, (void *)which) || sem_wait(&started))
                return 1;
            if (late)
                usleep(5000);
            void *result = NULL;
            int good = pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0;
            good &= result == PTHREAD_CANCELED && cleaned == 1 && returned == 0;
            printf("%s %ld %d\n", good ? "ok  " : "FAIL", which, late);
        }
    CHECK(pthread_mutex_trylock(&lock) == 0);
    msgctl(messages, IPC_RMID, NULL);
    unlink(fifo);
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
    return 0;
}
