// linking: glibc
// Mutexes in shared memory that becomes writable late: by mprotect, after it was moved, by another
// attachment in its place. Their owner is killed.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES 4096

static int file, segment;
static char *memory;

static void start(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(mutex, &kind);
}

/* Makes the memory writable, in one of three ways. */
static pthread_mutex_t *writable(int way)
{
    char *at = memory;
    if (way == 1) {
        char *room = mmap(NULL, BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        at = mremap(memory, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, room);
    }
    if (way == 2)
        at = shmat(segment, memory, SHM_REMAP);
    else if (mprotect(at, BYTES, PROT_READ | PROT_WRITE) != 0)
        return NULL;
    return (pthread_mutex_t *)at;
}

/* What a process says that has only read the memory so far. */
static int try(int way)
{
    int ends[2], status;
    char byte;
    memory = way == 2 ? shmat(segment, NULL, SHM_RDONLY)
                      : mmap(NULL, BYTES, PROT_READ, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED || pipe(ends) != 0)
        return 1;
    if (fork() == 0) {
        pthread_mutex_t *mutex = writable(way);
        if (mutex)
            start(mutex);
        _exit(mutex ? 0 : 1);
    }
    if (wait(&status) < 0 || status != 0)
        return 2;
    pid_t owner = fork();
    if (owner == 0) {
        pthread_mutex_t *mutex = writable(way);
        if (!mutex || pthread_mutex_lock(mutex) != 0 || write(ends[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    if (read(ends[0], &byte, 1) != 1 || kill(owner, SIGKILL) != 0 || wait(&status) != owner)
        return 3;
    if (fork() == 0) {
        alarm(20);
        pthread_mutex_t *mutex = writable(way);
        _exit(mutex && pthread_mutex_lock(mutex) == EOWNERDEAD ? 0 : 1);
    }
    return wait(&status) < 0 || status != 0 ? 4 : 0;
}

int main(void)
{
    file = open("robust.data", O_RDWR | O_CREAT | O_TRUNC, 0600);
    segment = shmget(IPC_PRIVATE, BYTES, 0600);
    CHECK(file >= 0 && unlink("robust.data") == 0 && ftruncate(file, BYTES) == 0 && segment >= 0);
    for (int way = 0; way < 3; way++) {
        int status = -1;
        fflush(stdout);
        if (fork() == 0)
            _exit(try(way));
        CHECK(wait(&status) > 0 && status == 0);
    }
    CHECK(shmctl(segment, IPC_RMID, NULL) == 0);
    return 0;
}
