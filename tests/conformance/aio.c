// linking: glibc
// Asynchronous input and output by the kernel's own interface: transfers, errors, events that another
// thread waits for, with other signals blocked too, polls, descriptors that are told, contexts that a
// child does not have.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long setup(unsigned count, aio_context_t *context) { return syscall(SYS_io_setup, count, context); }
static long destroy(aio_context_t context) { return syscall(SYS_io_destroy, context); }
static long submit(aio_context_t context, long count, struct iocb **list)
{
    return syscall(SYS_io_submit, context, count, list);
}
static long events(aio_context_t context, long least, long most, struct io_event *list, struct timespec *time)
{
    return syscall(SYS_io_getevents, context, least, most, list, time);
}

/* As the kernel takes a mask of signals. */
struct masked { const uint64_t *set; size_t size; };
static long events_masked(aio_context_t context, long least, long most, struct io_event *list,
                          struct timespec *time, struct masked *mask)
{
    return syscall(SYS_io_pgetevents, context, least, most, list, time, mask);
}

static struct iocb request(int operation, int file, void *buffer, size_t length, long offset, int data)
{
    struct iocb made;
    memset(&made, 0, sizeof made);
    made.aio_lio_opcode = (uint16_t)operation;
    made.aio_fildes = (uint32_t)file;
    made.aio_buf = (uint64_t)buffer;
    made.aio_nbytes = length;
    made.aio_offset = offset;
    made.aio_data = (uint64_t)data;
    return made;
}

static aio_context_t context;

static void *waiter(void *result)
{
    struct io_event event;
    *(long *)result = events(context, 1, 1, &event, NULL) == 1 ? (long)event.data : -1;
    return NULL;
}

static volatile sig_atomic_t handled;
static volatile uint64_t blocked_then;

static void handler(int signal)
{
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    handled += signal;
    memcpy((void *)&blocked_then, &now, 8);
}

static void *sender(void *to)
{
    usleep(20000);
    pthread_kill(*(pthread_t *)to, SIGUSR1);
    return NULL;
}

/* Waiting while other signals are blocked than usual. */
static void masked_waits(void)
{
    struct io_event got[2];
    struct timespec none = {0, 0}, little = {0, 20000000}, long_time = {20, 0};
    uint64_t nothing = 0, all = ~0ull, second = 1ull << (SIGUSR2 - 1);
    struct masked open = {&nothing, 8}, closed = {&all, 8}, short_one = {&nothing, 4}, unset = {NULL, 3};
    struct masked no_second = {&second, 8}, wild = {(void *)8, 8};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    sigset_t both, before;
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &both, &before);

    CHECK(events_masked(context, 0, 1, got, &none, NULL) == 0);
    CHECK(events_masked(context, 0, 1, got, &none, &unset) == 0);
    CHECK_ERRNO(events_masked(context, 0, 1, got, &none, &short_one), EINVAL);
    CHECK_ERRNO(events_masked(context, 0, 1, got, &none, &wild), EFAULT);
    CHECK_ERRNO(events_masked(context, 0, 1, got, &none, (void *)8), EFAULT);
    CHECK_ERRNO(events_masked(context, 0, 1, got, (void *)8, &wild), EFAULT);
    CHECK_ERRNO(events_masked(1, 0, 1, got, &none, &open), EINVAL);
    CHECK_ERRNO(events_masked(context, 2, 1, got, &none, &open), EINVAL);

    /* One that is pending already: it interrupts only where it is not blocked. */
    raise(SIGUSR1);
    CHECK(events_masked(context, 1, 1, got, &little, &closed) == 0 && handled == 0);
    CHECK(events_masked(context, 1, 1, got, &little, NULL) == 0 && handled == 0);
    CHECK_ERRNO(events_masked(context, 1, 1, got, &long_time, &no_second), EINTR);
    CHECK(handled == SIGUSR1 && (blocked_then & second) && (blocked_then & 1ull << (SIGUSR1 - 1)));
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1) == 1 && sigismember(&now, SIGUSR2) == 0);

    /* One that comes from elsewhere meanwhile; and one that waits for the end of the call. */
    pthread_t self = pthread_self(), thread;
    pthread_create(&thread, NULL, sender, &self);
    CHECK_ERRNO(events_masked(context, 1, 1, got, NULL, &open), EINTR);
    pthread_join(thread, NULL);
    CHECK(handled == 2 * SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_create(&thread, NULL, sender, &self);
    struct timespec longer = {0, 100000000};
    CHECK(events_masked(context, 1, 1, got, &longer, &closed) == 0);
    pthread_join(thread, NULL);
    CHECK(handled == 3 * SIGUSR1);
}

/* Polls of which a descriptor is told, though nobody waits for their events. */
static void told_polls(int *ends)
{
    struct io_event got[8];
    struct timespec none = {0, 0}, little = {0, 20000000};
    int told = eventfd(0, EFD_NONBLOCK);
    char back[8];
    struct iocb first = request(IOCB_CMD_POLL, ends[0], (void *)POLLIN, 0, 0, 12), *list[] = {&first};
    first.aio_flags = IOCB_FLAG_RESFD;
    first.aio_resfd = (uint32_t)told;
    eventfd_t count = 0;
    CHECK(submit(context, 1, list) == 1);
    CHECK_ERRNO(eventfd_read(told, &count), EAGAIN);
    CHECK(events(context, 1, 8, got, &little) == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    struct pollfd item = {told, POLLIN, 0};
    CHECK(poll(&item, 1, 10000) == 1 && eventfd_read(told, &count) == 0 && count == 1);
    CHECK(events(context, 1, 8, got, &none) == 1 && got[0].data == 12 && (got[0].res & POLLIN));
    CHECK(got[0].obj == (uint64_t)&first && read(ends[0], back, 8) == 1);

    /* Once only, and at once where it is ready. */
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(poll(&item, 1, 20) == 0);
    CHECK(submit(context, 1, list) == 1 && events(context, 1, 8, got, NULL) == 1 && got[0].data == 12);
    CHECK(poll(&item, 1, 10000) == 1 && eventfd_read(told, &count) == 0 && count == 1);
    CHECK(read(ends[0], back, 8) == 1);

    /* Cancelled ones are told too. */
    CHECK(submit(context, 1, list) == 1);
    CHECK_ERRNO(syscall(SYS_io_cancel, context, &first, got), EINPROGRESS);
    CHECK(events(context, 1, 8, got, NULL) == 1 && got[0].data == 12);
    CHECK(poll(&item, 1, 10000) == 1 && eventfd_read(told, &count) == 0);
    CHECK_ERRNO(syscall(SYS_io_cancel, context, &first, got), EINVAL);

    /* The number is used for something else before the end. */
    int other = dup(ends[0]);
    first.aio_fildes = (uint32_t)other;
    CHECK(submit(context, 1, list) == 1 && close(other) == 0);
    CHECK(write(ends[1], "x", 1) == 1 && poll(&item, 1, 10000) == 1 && eventfd_read(told, &count) == 0);
    CHECK(events(context, 1, 8, got, NULL) == 1 && read(ends[0], back, 8) == 1);
    first.aio_fildes = 999;
    CHECK_ERRNO(submit(context, 1, list), EBADF);
    first.aio_fildes = (uint32_t)ends[0];
    first.aio_resfd = (uint32_t)ends[0];
    CHECK_ERRNO(submit(context, 1, list), EINVAL);
    first.aio_resfd = 999;
    CHECK_ERRNO(submit(context, 1, list), EBADF);
    first.aio_resfd = (uint32_t)told;
    CHECK(submit(context, 1, list) == 1);
    close(told);
}

int main(void)
{
    struct io_event got[8];
    struct timespec none = {0, 0}, little = {0, 20000000};
    char text[32] = "asynchronous", back[32] = "", *heap = malloc(64);
    int file = open("aio.data", O_RDWR | O_CREAT | O_TRUNC, 0600), ends[2];
    CHECK(file >= 0 && pipe(ends) == 0);

    aio_context_t wrong = 1;
    CHECK_ERRNO(setup(8, &wrong), EINVAL);
    wrong = 0;
    CHECK_ERRNO(setup(0, &wrong), EINVAL);
    CHECK_ERRNO(setup(8, (void *)8), EFAULT);
    CHECK_ERRNO(destroy(12345), EINVAL);
    CHECK(setup(8, &context) == 0 && context != 0);

    struct iocb first = request(IOCB_CMD_PWRITE, file, text, 12, 0, 1);
    struct iocb second = request(IOCB_CMD_PREAD, file, heap, 12, 0, 2);
    struct iocb *list[] = {&first, &second};
    CHECK(submit(context, 2, list) == 2);
    CHECK(events(context, 2, 8, got, NULL) == 2);
    CHECK(got[0].data == 1 && got[0].res == 12 && got[0].obj == (uint64_t)&first);
    CHECK(got[1].data == 2 && got[1].res == 12 && !memcmp(heap, text, 12));
    CHECK(events(context, 0, 8, got, NULL) == 0);
    CHECK(events(context, 1, 8, got, &none) == 0);
    CHECK(events(context, 1, 8, got, &little) == 0);
    CHECK_ERRNO(events(context, 2, 1, got, NULL), EINVAL);
    CHECK_ERRNO(events(context, 1, 1, got, (void *)8), EFAULT);

    struct iovec parts[] = {{back, 4}, {back + 8, 8}};
    first = request(IOCB_CMD_PREADV, file, parts, 2, 0, 3);
    second = request(IOCB_CMD_FSYNC, file, NULL, 0, 0, 4);
    CHECK(submit(context, 2, list) == 2 && events(context, 2, 2, got, NULL) == 2);
    CHECK(got[0].res == 12 && !memcmp(back, "asyn", 4) && !memcmp(back + 8, "chronous", 8));
    CHECK(got[1].data == 4 && got[1].res == 0);

    /* What is wrong before anything is done, and what is wrong with the transfer. */
    first = request(IOCB_CMD_PREAD, 999, back, 4, 0, 5);
    CHECK_ERRNO(submit(context, 1, list), EBADF);
    first = request(77, file, back, 4, 0, 5);
    CHECK_ERRNO(submit(context, 1, list), EINVAL);
    first = request(IOCB_CMD_PREAD, file, back, 4, 0, 5);
    first.aio_reserved2 = 1;
    CHECK_ERRNO(submit(context, 1, list), EINVAL);
    list[0] = (void *)8;
    CHECK_ERRNO(submit(context, 1, list), EFAULT);
    list[0] = &first;
    CHECK_ERRNO(submit(context, 1, (void *)8), EFAULT);
    CHECK_ERRNO(submit(context, -1, list), EINVAL);
    CHECK(submit(context, 0, list) == 0);
    CHECK_ERRNO(submit(1, 1, list), EINVAL);
    first = request(IOCB_CMD_PREAD, file, back, 4, 0, 6);
    second = request(IOCB_CMD_PREAD, -1, back, 4, 0, 7);
    CHECK(submit(context, 2, list) == 1 && events(context, 1, 8, got, NULL) == 1 && got[0].data == 6);
    char *hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    first = request(IOCB_CMD_PREAD, file, hole, 4, 0, 8);
    CHECK(submit(context, 1, list) == 1 && events(context, 1, 8, got, NULL) == 1);
    CHECK(got[0].res == -EFAULT);
    struct iocb *busy = &second;
    CHECK_ERRNO(syscall(SYS_io_cancel, context, busy, got), EINVAL);

    /* Somebody waits elsewhere. */
    long seen = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, waiter, &seen);
    usleep(20000);
    first = request(IOCB_CMD_PWRITE, ends[1], text, 4, 0, 9);
    CHECK(submit(context, 1, list) == 1);
    pthread_join(thread, NULL);
    CHECK(seen == 9 && read(ends[0], back, 8) == 4);

    /* A descriptor is told. */
    int told = eventfd(0, EFD_NONBLOCK);
    first = request(IOCB_CMD_PREAD, file, back, 4, 0, 10);
    first.aio_flags = IOCB_FLAG_RESFD;
    first.aio_resfd = (uint32_t)told;
    eventfd_t count = 0;
    CHECK(submit(context, 1, list) == 1 && events(context, 1, 8, got, NULL) == 1);
    CHECK(eventfd_read(told, &count) == 0 && count == 1);
    first.aio_resfd = (uint32_t)file;
    CHECK_ERRNO(submit(context, 1, list), EINVAL);

    /* Polls. */
    first = request(IOCB_CMD_POLL, ends[0], (void *)POLLIN, 0, 0, 11);
    CHECK(submit(context, 1, list) == 1 && events(context, 1, 8, got, &little) == 0);
    CHECK(write(ends[1], "x", 1) == 1 && events(context, 1, 8, got, NULL) == 1);
    CHECK(got[0].data == 11 && (got[0].res & POLLIN) && read(ends[0], back, 8) == 1);
    CHECK(submit(context, 1, list) == 1);
    CHECK_ERRNO(syscall(SYS_io_cancel, context, &first, got), EINPROGRESS);
    CHECK(events(context, 1, 8, got, NULL) == 1 && got[0].data == 11);

    masked_waits();
    told_polls(ends);

    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(destroy(context) == -1 && errno == EINVAL ? 0 : 1);
    int status = 1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    CHECK(destroy(context) == 0);
    CHECK_ERRNO(events(context, 0, 1, got, NULL), EINVAL);
    return 0;
}
