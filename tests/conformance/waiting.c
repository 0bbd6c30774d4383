// linking: glibc musl
// poll, select, epoll, event and timer descriptors.
#define _GNU_SOURCE
#include "check.h"
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + at.tv_nsec / 1e9;
}

int main(void) {
    int ends[2], full[2];
    CHECK(pipe(ends) == 0 && pipe(full) == 0);
    CHECK(write(full[1], "x", 1) == 1);

    struct pollfd polled[] = {{ends[0], POLLIN, 0}, {full[0], POLLIN, 0}, {ends[1], POLLOUT, 0}, {999, POLLIN, 0}, {-1, POLLIN, 7}};
    CHECK(poll(polled, 5, 1000) == 3);
    CHECK(polled[0].revents == 0 && polled[1].revents == POLLIN && polled[2].revents == POLLOUT);
    CHECK(polled[3].revents == POLLNVAL && polled[4].revents == 0);
    double start = now();
    CHECK(poll(polled, 1, 30) == 0 && now() - start >= 0.029);
    struct timespec brief = {0, 10000000};
    CHECK(ppoll(polled, 1, &brief, NULL) == 0);
    CHECK(poll(NULL, 0, 1) == 0);

    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(ends[0], &in);
    FD_SET(full[0], &in);
    FD_SET(ends[1], &out);
    struct timeval limit = {1, 0};
    CHECK(select(100, &in, &out, NULL, &limit) == 2);
    CHECK(!FD_ISSET(ends[0], &in) && FD_ISSET(full[0], &in) && FD_ISSET(ends[1], &out));
    CHECK(limit.tv_sec == 0 || limit.tv_sec == 1);
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    limit = (struct timeval){0, 10000};
    CHECK(select(100, &in, NULL, NULL, &limit) == 0 && !FD_ISSET(ends[0], &in));
    FD_SET(60, &in);
    CHECK_ERRNO(select(61, &in, NULL, NULL, &limit), EBADF);
    CHECK_ERRNO(select(-1, NULL, NULL, NULL, &limit), EINVAL);

    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdef0}, events[4];
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, full[0], &event) == 0);
    event.data.u64 = 2;
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event) == 0);
    CHECK_ERRNO(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), EEXIST);
    CHECK(epoll_wait(epoll, events, 4, 1000) == 1);
    CHECK(events[0].events == EPOLLIN && events[0].data.u64 == 0x123456789abcdef0);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_DEL, full[0], NULL) == 0);
    CHECK(epoll_wait(epoll, events, 4, 10) == 0);
    CHECK(epoll_pwait(epoll, events, 4, 0, NULL) == 0);
    event.events = EPOLLIN | EPOLLET;
    CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event) == 0);
    CHECK(write(ends[1], "y", 1) == 1);
    CHECK(epoll_wait(epoll, events, 4, 1000) == 1 && events[0].data.u64 == 2);
    CHECK(epoll_wait(epoll, events, 4, 10) == 0);
    CHECK_ERRNO(epoll_wait(epoll, events, 0, 0), EINVAL);

    uint64_t value = 5;
    int counter = eventfd(3, EFD_NONBLOCK);
    CHECK(write(counter, &value, 8) == 8);
    CHECK(read(counter, &value, 8) == 8 && value == 8);
    CHECK_ERRNO(read(counter, &value, 8), EAGAIN);
    CHECK_ERRNO(read(counter, &value, 4), EINVAL);
    int units = eventfd(2, EFD_SEMAPHORE);
    CHECK(read(units, &value, 8) == 8 && value == 1);

    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec spec = {.it_value = {0, 20000000}, .it_interval = {0, 5000000}}, left;
    start = now();
    CHECK(timerfd_settime(timer, 0, &spec, NULL) == 0);
    CHECK(read(timer, &value, 8) == 8 && value >= 1 && now() - start >= 0.019);
    CHECK(timerfd_gettime(timer, &left) == 0 && left.it_interval.tv_nsec == 5000000);
    CHECK(read(timer, &value, 8) == 8);
    return 0;
}
