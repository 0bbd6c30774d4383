// linking: glibc musl
// Which calls go on after a handler with SA_RESTART, and which do not.
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
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int handled;
static void handler(int signal) { handled += signal > 0; }

static int ends[2], full[2], pair[2], timed[2], listening, messages, sems, epoll, locked, locked2;
static mqd_t queue;
static char fifo[64];
static sem_t semaphore;
static uint32_t word;

/* What the call waits for. */
static void relieve(int which) {
    char page[65536];
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    int other;
    switch (which) {
    case 0: case 1: write(ends[1], "x", 1); break;
    case 2: read(full[0], page, sizeof page); break;
    case 3: case 4: case 6: send(pair[1], "x", 1, 0); break;
    case 5:
        getsockname(listening, (void *)&address, &length);
        other = socket(AF_UNIX, SOCK_STREAM, 0);
        connect(other, (void *)&address, length);
        close(other);
        break;
    case 7: mq_send(queue, "x", 1, 0); break;
    case 8: close(open(fifo, O_WRONLY)); break;
    case 9: flock(locked, LOCK_UN); break;
    case 10: sem_post(&semaphore); break;
    case 11:
        __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, &word, 1, 1, NULL, NULL, 0);
        break;
    default: break;
    }
}

static int call(int which, pid_t child) {
    static char page[65536];
    struct {
        long type;
        char text[8];
    } message;
    struct msghdr header = {0};
    struct iovec vector = {page, 1};
    struct pollfd polled = {ends[0], POLLIN, 0};
    struct timespec while_ = {600, 0};
    struct epoll_event event;
    struct sembuf down = {0, -1, 0};
    sigset_t other;
    siginfo_t info;
    fd_set set;
    int result, status;
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    sigemptyset(&other);
    sigaddset(&other, SIGUSR2);
    switch (which) {
    /* These go on. */
    case 0: return read(ends[0], page, 1) == 1;
    case 1: return readv(ends[0], &vector, 1) == 1;
    case 2: return write(full[1], page, 4096) == 4096;
    case 3: return recv(pair[0], page, 1, 0) == 1;
    case 4: return recvmsg(pair[0], &header, 0) == 1;
    case 5:
        result = accept(listening, NULL, NULL);
        close(result);
        return result >= 0;
    case 6: return readv(pair[0], &vector, 1) == 1;
    case 7: return mq_receive(queue, page, 8, NULL) == 1;
    case 8:
        result = open(fifo, O_RDONLY);
        close(result);
        return result >= 0;
    case 9:
        result = flock(locked2, LOCK_EX) == 0;
        flock(locked2, LOCK_UN);
        return result;
    case 10: return sem_wait(&semaphore) == 0;
    case 11: return syscall(SYS_futex, &word, 0, 0, NULL, NULL, 0) == 0 || errno == EAGAIN;
    case 12: return waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9;
    case 13: return waitid(P_PID, child, &info, WEXITED) == 0 && info.si_status == 9;
    /* These never do. */
    case 14: return poll(&polled, 1, -1);
    case 15: return ppoll(&polled, 1, &while_, NULL);
    case 16: return select(ends[0] + 1, &set, NULL, NULL, NULL);
    case 17: return pselect(ends[0] + 1, &set, NULL, NULL, &while_, NULL);
    case 18: return epoll_wait(epoll, &event, 1, -1);
    case 19: return nanosleep(&while_, NULL);
    case 20: return clock_nanosleep(CLOCK_MONOTONIC, 0, &while_, NULL) == EINTR ? (errno = EINTR, -1) : 0;
    case 21: return pause();
    case 22: return (int)syscall(SYS_rt_sigtimedwait, &other, &info, &while_, 8L);
    case 23: return semop(sems, &down, 1);
    case 24: return recv(timed[0], page, 1, 0);
    case 25: return semtimedop(sems, &down, 1, &while_);
    case 26: return msgrcv(messages, &message, 8, 7, 0);
    default: return 0;
    }
}
enum { RESTARTED = 14, CALLS = 27 };

static pthread_t waiter;
static volatile int which_now, is_over;
static pid_t child_now;

static void *waits(void *argument) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    *(int *)argument = call(which_now, child_now);
    int number = errno;
    __atomic_store_n(&is_over, 1, __ATOMIC_SEQ_CST);
    return (void *)(long)number;
}

static void set_up(int flags) {
    struct sigaction action = {0};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(SIGUSR1, &action, NULL);
}


int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    char page[4096] = {0};
    if (pipe(ends) || pipe(full) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, timed))
        return 1;
    fcntl(full[1], F_SETFL, O_NONBLOCK);
    while (write(full[1], page, sizeof page) > 0)
        ;
    fcntl(full[1], F_SETFL, 0);
    struct timeval long_time = {600, 0};
    setsockopt(timed[0], SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof long_time);
    listening = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CHECK(bind(listening, (void *)&address, sizeof(sa_family_t)) == 0 && listen(listening, 1) == 0);
    messages = msgget(IPC_PRIVATE, 0600);
    sems = semget(IPC_PRIVATE, 1, 0600);
    union { int value; } zero = {0};
    semctl(sems, 0, SETVAL, zero);
    epoll = epoll_create1(0);
    char name[64];
    snprintf(name, sizeof name, "/dangless-restart-%d", getpid());
    struct mq_attr shape = {.mq_maxmsg = 2, .mq_msgsize = 8};
    queue = mq_open(name, O_CREAT | O_RDWR, 0600, &shape);
    mq_unlink(name);
    snprintf(fifo, sizeof fifo, "/tmp/dangless-fifo-%d", getpid());
    mkfifo(fifo, 0600);
    char path[] = "/tmp/dangless-lock-XXXXXX";
    locked = mkstemp(path);
    locked2 = open(path, O_RDWR);
    unlink(path);
    sem_init(&semaphore, 0, 0);
    for (int restart = 0; restart < 2; restart++)
        for (int which = 0; which < CALLS; which++) {
            int flags = restart ? SA_RESTART : 0;
            set_up(flags);
            handled = 0;
            is_over = 0;
            word = 0;
            which_now = which;
            if (which == 9)
                flock(locked, LOCK_EX);
            int gate[2] = {-1, -1};
            child_now = 0;
            if (which == 12 || which == 13) {
                if (pipe(gate))
                    return 1;
                fflush(stdout);
                child_now = fork();
                if (child_now == 0) {
                    char byte;
                    close(gate[1]);
                    _exit(read(gate[0], &byte, 1) == 0 ? 9 : 1);
                }
            }
            int result = -7;
            pthread_create(&waiter, NULL, waits, &result);
            int go_on = restart && which < RESTARTED;
            int before = 0;
            for (int i = 0; go_on ? i < 8 || handled < 2 : !is_over; i++) {
                pthread_kill(waiter, SIGUSR1);
                usleep(1500);
            }
            before = is_over;
            if (go_on) {
                if (gate[1] >= 0)
                    close(gate[1]);
                relieve(which);
            }
            void *number;
            pthread_join(waiter, &number);
            int good = go_on ? !before && result == 1 && handled >= 2
                       : which < RESTARTED
                           ? handled >= 1 && result == 0 && (which == 11 || which == 5 || which == 8 || (long)number == EINTR)
                           : handled >= 1 && result == -1 && (long)number == EINTR;
            printf("%s %d %s\n", good ? "ok  " : "FAIL", which, restart ? "restart" : "interrupt");
            if (!good)
                printf("     result %d, errno %ld, handled %d, over before %d\n", result, (long)number, handled, before);
            if (!go_on) {
                if (gate[1] >= 0) {
                    close(gate[1]);
                    waitpid(child_now, NULL, 0);
                }
                if (which == 9)
                    flock(locked, LOCK_UN);
            }
            close(gate[0]);
        }
    msgctl(messages, IPC_RMID, NULL);
    semctl(sems, 0, IPC_RMID);
    unlink(fifo);
    return 0;
}
