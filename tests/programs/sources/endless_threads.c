// Four threads allocate and free without end, with few objects live at a time, each of which is
// checked when it goes; some are freed by another thread. Each keeps dangling pointers where only
// the thread itself has them, and no object may come where one of them points to: in a register, in
// a vector register, in thread-local memory and on its stack. Threads end and are made anew
// meanwhile, and one waits in a system call. The arguments: allocations of each thread, rounds,
// objects that are made and freed around each dangling pointer.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, LIVE = 60, PAGE = 4096 };

struct item {
    uint64_t value;
    size_t size;
};

// A pointer that is no pointer to whoever looks for one: it is kept turned over.
#define HIDDEN(at) (~(uintptr_t)(at))

// Whether freed addresses are used again at once, as a common malloc does: then nothing is said of
// dangling pointers.
static int careless;

// Pages that somebody still points to. Written before the object is freed.
static _Atomic uintptr_t stale[64];
static _Atomic int taken;
static _Atomic int finished;

// The same pointers as they are, until each is where it is to be kept, and how many threads have
// seen to that.
static volatile uintptr_t visible[64];
static _Atomic int ready;

static struct item *_Atomic passed[THREADS];
static __thread volatile uintptr_t kept_in_thread;
static long count, rounds, around;

static void fail(const char *what, const void *at) {
    printf("%s: %p\n", what, at);
    fflush(stdout);
    _exit(1);
}

static void check_new(uintptr_t at, size_t size) {
    uintptr_t first = at / PAGE, last = (at + size - 1) / PAGE;
    int used = careless ? 0 : atomic_load(&taken);
    for (int i = 0; i < used; i++) {
        uintptr_t page = ~atomic_load(&stale[i]) / PAGE;
        if (page >= first && page <= last)
            fail("an object came where a dangling pointer points to", (void *)at);
    }
}

// What calls have left on the stack.
static __attribute__((noinline)) void scrub(void) {
    char room[48 << 10];
    explicit_bzero(room, sizeof room);
}

// An object that is gone; the pointer to it, hidden.
static uintptr_t dangling(size_t size) {
    void *at = malloc(size);
    if (at == NULL)
        fail("no memory", at);
    uintptr_t hidden = HIDDEN(at);
    int number = atomic_fetch_add(&taken, 1);
    visible[number] = (uintptr_t)at;
    stale[number] = hidden;
    free(at);
    // Until nothing around it is left either.
    void *volatile other;
    for (long i = 0; i < around; i++) {
        other = malloc(size);
        free(other);
    }
    scrub();
    return hidden;
}

static struct item *make(size_t size) {
    struct item *at = malloc(size);
    if (at == NULL)
        fail("no memory", at);
    check_new((uintptr_t)at, size);
    ((unsigned char *)at)[size - 1] = 0x5a;
    at->value = (uintptr_t)at + size;
    at->size = size;
    return at;
}

static void drop(struct item *at) {
    if (at == NULL)
        return;
    if (at->value != (uintptr_t)at + at->size || ((unsigned char *)at)[at->size - 1] != 0x5a)
        fail("an object has changed", at);
    free(at);
}

static void *work(void *argument) {
    long index = (long)argument;
    uint64_t seed = 88172645463325252u + (uint64_t)index;
    struct item *live[LIVE] = {0};
    for (long step = 0; step < count; step++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        struct item **at = &live[seed % LIVE];
        if ((seed >> 40) % 16 == 0)
            *at = atomic_exchange(&passed[(seed >> 44) % THREADS], *at);
        drop(*at);
        *at = make(sizeof **at + 8 + (seed >> 32) % (seed >> 20 & 255 ? 500 : 20000));
    }
    for (int i = 0; i < LIVE; i++)
        drop(live[i]);
    return NULL;
}

// Holds dangling pointers in a general register, in a vector register, in thread-local memory and on
// its stack, each nowhere else, until all is done. There is no call meanwhile.
static void *hold_in_registers(void *argument) {
    (void)argument;
    uintptr_t one = dangling(40), other = dangling(700);
    uintptr_t there = dangling(300), here = dangling(9000);
    volatile uintptr_t on_stack = ~here;
    kept_in_thread = ~there;
    here = there = 0;
    __asm__ volatile("not %0\n"
                     "not %1\n"
                     "movq %1, %%xmm9\n"
                     "xor %1, %1\n"
                     "lock incl (%3)\n"
                     "1: pause\n"
                     "cmpl $0, (%2)\n"
                     "je 1b\n"
                     : "+r"(one), "+r"(other)
                     : "r"(&finished), "r"(&ready)
                     : "xmm9", "memory", "cc");
    return (void *)(one ^ on_stack ^ here ^ there);
}

// Waits in a system call, with the pointer in a register that it preserves.
static void *hold_in_call(void *argument) {
    int *ends = argument;
    uintptr_t one = dangling(500);
    char byte;
    long got;
    __asm__ volatile("not %1\n"
                     "lock incl (%6)\n"
                     "syscall"
                     : "=a"(got), "+r"(one)
                     : "a"(0L), "D"((long)ends[0]), "S"(&byte), "d"(1L), "r"(&ready)
                     : "rcx", "r11", "memory");
    if (got != 1)
        fail("read", NULL);
    return (void *)one;
}

// Leaves one with the kernel.
static void hold_in_epoll(int epoll, int event) {
    uintptr_t hidden = dangling(200);
    struct epoll_event interest = {.events = EPOLLIN, .data.u64 = ~hidden};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, event, &interest) != 0)
        fail("epoll", NULL);
    explicit_bzero(&interest, sizeof interest);
    scrub();
}

int main(int argc, char **argv) {
    count = argc > 1 ? atol(argv[1]) : 100000;
    rounds = argc > 2 ? atol(argv[2]) : 2;
    around = argc > 3 ? atol(argv[3]) : 20000;
    uintptr_t before = HIDDEN(malloc(64));
    free((void *)~before);
    void *again = malloc(64);
    careless = HIDDEN(again) == before;
    free(again);
    int ends[2];
    pthread_t holders[2], threads[THREADS];
    if (pipe(ends) != 0)
        return 2;
    int epoll = epoll_create1(0), event = eventfd(0, 0);
    hold_in_epoll(epoll, event);
    pthread_create(&holders[0], NULL, hold_in_registers, NULL);
    pthread_create(&holders[1], NULL, hold_in_call, ends);
    while (ready != 2)
        sched_yield();
    for (int i = 0; i < taken; i++)
        visible[i] = 0;
    for (long round = 0; round < rounds; round++) {
        for (long i = 0; i < THREADS; i++)
            if (pthread_create(&threads[i], NULL, work, (void *)i) != 0)
                return 2;
        // Children are made in the middle of it.
        for (int child = 0; child < 2; child++) {
            pid_t id = fork();
            if (id == 0) {
                // The threads that hold pointers are not there.
                careless = 1;
                drop(make(100));
                _exit(0);
            }
            int status = -1;
            if (waitpid(id, &status, 0) != id || status != 0)
                fail("a child failed", NULL);
        }
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < THREADS; i++)
        drop(passed[i]);
    finished = 1;
    if (write(ends[1], "", 1) != 1)
        return 2;
    for (int i = 0; i < 2; i++)
        pthread_join(holders[i], NULL);
    printf("%ld allocations\n", count * rounds * THREADS);
    return 0;
}
