// linking: glibc musl
// Signals that descriptors and message queues send, and masks that hold while a call waits.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile sig_atomic_t order[8], count;
static volatile siginfo_t last;

static void note(int signal, siginfo_t *info, void *context) {
    (void)context;
    last = *info;
    if (count < 8)
        order[count++] = signal;
}

/* Like `note`, and takes its time, so that what is not blocked comes in between. */
static void slow(int signal, siginfo_t *info, void *context) {
    getppid();
    note(signal, info, context);
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
}

static sem_t told;
static volatile int told_value;

static void tell(union sigval value) {
    told_value = value.sival_int;
    sem_post(&told);
}

/* Waits until a process has slept for a while. */
static void until_asleep(pid_t process) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", process);
    for (int asleep = 0; asleep < 3; usleep(5000)) {
        int file = open(path, O_RDONLY);
        ssize_t length = read(file, text, sizeof text - 1);
        close(file);
        text[length > 0 ? length : 0] = 0;
        char *state = strrchr(text, ')');
        asleep = state && state[2] == 'S' ? asleep + 1 : 0;
    }
}

/* A second signal stays blocked in the handler of the first, and comes when that returns. */
static void waits_with(int which) {
    sigset_t usual, waiting;
    sigemptyset(&usual);
    sigaddset(&usual, SIGUSR1);
    sigemptyset(&waiting);
    sigaddset(&waiting, SIGUSR2);
    sigprocmask(SIG_SETMASK, &usual, NULL);
    count = 0;
    pid_t parent = getpid();
    fflush(stdout);
    if (fork() == 0) {
        until_asleep(parent);
        kill(parent, SIGUSR2);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    struct timespec limit = {20, 0};
    int result = which ? ppoll(NULL, 0, &limit, &waiting) : sigsuspend(&waiting);
    CHECK(result == -1 && errno == EINTR);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1) == 1 && sigismember(&now, SIGUSR2) == 0);
    CHECK(count == 2 && order[0] == SIGUSR1 && order[1] == SIGUSR2);
}

int main(void) {
    handle(SIGIO, note);
    handle(SIGRTMIN + 3, note);
    handle(SIGUSR1, slow);
    handle(SIGUSR2, note);

    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(fcntl(ends[0], F_SETOWN, getpid()) == 0 && fcntl(ends[0], F_GETOWN) == getpid());
    CHECK(fcntl(ends[0], F_SETFL, O_ASYNC) == 0 && (fcntl(ends[0], F_GETFL) & O_ASYNC));
    CHECK(write(ends[1], "x", 1) == 1 && count == 1 && order[0] == SIGIO);
    CHECK(fcntl(ends[0], F_SETSIG, SIGRTMIN + 3) == 0 && fcntl(ends[0], F_GETSIG) == SIGRTMIN + 3);
    CHECK(write(ends[1], "y", 1) == 1 && count == 2 && order[1] == SIGRTMIN + 3);
    CHECK(last.si_fd == ends[0] && last.si_code == POLL_IN && (last.si_band & POLLIN));
    struct f_owner_ex owner = {F_OWNER_TID, syscall(SYS_gettid)}, found;
    CHECK(fcntl(ends[0], F_SETOWN_EX, &owner) == 0 && fcntl(ends[0], F_GETOWN_EX, &found) == 0);
    CHECK(found.type == F_OWNER_TID && found.pid == owner.pid);
    int off = 0;
    CHECK(ioctl(ends[0], FIOASYNC, &off) == 0 && !(fcntl(ends[0], F_GETFL) & O_ASYNC));
    CHECK(write(ends[1], "z", 1) == 1 && count == 2);

    char name[64];
    snprintf(name, sizeof name, "/dangless-signals-io-%d", getpid());
    struct mq_attr shape = {.mq_maxmsg = 2, .mq_msgsize = 8};
    mqd_t queue = mq_open(name, O_CREAT | O_RDWR, 0600, &shape);
    CHECK(queue != -1 && mq_unlink(name) == 0);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
    event.sigev_value.sival_int = 77;
    CHECK(mq_notify(queue, &event) == 0);
    CHECK_ERRNO(mq_notify(queue, &event), EBUSY);
    CHECK(mq_send(queue, "a", 1, 0) == 0 && count == 3 && last.si_code == SI_MESGQ);
    CHECK(last.si_value.sival_int == 77 && last.si_pid == getpid());
    char message[8];
    CHECK(mq_receive(queue, message, sizeof message, NULL) == 1);
    sem_init(&told, 0, 0);
    event.sigev_notify = SIGEV_THREAD;
    event.sigev_notify_function = tell;
    event.sigev_notify_attributes = NULL;
    CHECK(mq_notify(queue, &event) == 0 && mq_send(queue, "b", 1, 0) == 0);
    CHECK(sem_wait(&told) == 0 && told_value == 77);
    CHECK(mq_receive(queue, message, sizeof message, NULL) == 1 && message[0] == 'b');
    CHECK(mq_notify(queue, NULL) == 0 && mq_close(queue) == 0);
    CHECK_ERRNO(mq_notify(queue, NULL), EBADF);
    CHECK_ERRNO(syscall(SYS_mq_notify, queue, (void *)8), EFAULT);

    waits_with(0);
    waits_with(1);

    CHECK_ERRNO(mlockall(0), EINVAL);
    CHECK_ERRNO(mlockall(64), EINVAL);
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[0] = 'p';
    if (mlock(page, 8192) == 0) {
        CHECK(munmap(page, 8192) == 0);
        char *again = mmap(page, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(again == page && again[0] == 0);
    }
    CHECK(munlockall() == 0);
    return 0;
}
