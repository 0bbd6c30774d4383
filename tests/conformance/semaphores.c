// linking: glibc musl
// Sets of System V semaphores.
#define _GNU_SOURCE
#include "check.h"
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>

union semun {
    int value;
    struct semid_ds *state;
    unsigned short *values;
};

int main(void) {
    int set = semget(IPC_PRIVATE, 5, IPC_CREAT | 0600);
    CHECK(set >= 0);
    unsigned short given[5] = {1, 2, 3, 4, 5}, found[6] = {0, 0, 0, 0, 0, 99};
    union semun all = {.values = given};
    CHECK(semctl(set, 0, SETALL, all) == 0);
    all.values = found;
    CHECK(semctl(set, 0, GETALL, all) == 0 && memcmp(given, found, sizeof given) == 0);
    CHECK(found[5] == 99 && semctl(set, 3, GETVAL) == 4);
    struct sembuf steps[2] = {{0, -1, 0}, {1, 3, 0}};
    CHECK(semop(set, steps, 2) == 0);
    CHECK(semctl(set, 0, GETALL, all) == 0 && found[0] == 0 && found[1] == 5);
    steps[0].sem_flg = IPC_NOWAIT;
    CHECK_ERRNO(semop(set, steps, 1), EAGAIN);
    struct semid_ds state;
    union semun one = {.state = &state};
    CHECK(semctl(set, 0, IPC_STAT, one) == 0 && state.sem_nsems == 5);
    all.values = (unsigned short *)8;
    CHECK_ERRNO(semctl(set, 0, SETALL, all), EFAULT);
    CHECK_ERRNO(semctl(set, 0, GETALL, all), EFAULT);
    CHECK(semctl(set, 0, IPC_RMID) == 0);
    CHECK_ERRNO(semctl(set, 0, GETALL, all), EINVAL);
    return 0;
}
