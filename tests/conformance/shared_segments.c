// linking: glibc dynamic musl
// System V shared memory: two views of one segment, another process, limits and errors.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *error(void) { return errno == EINVAL ? "EINVAL" : errno == ENOMEM ? "ENOMEM" : errno == EIDRM ? "EIDRM" : strerror(errno); }

static int attached(int id) {
    struct shmid_ds about;
    return shmctl(id, IPC_STAT, &about) ? -1 : (int)about.shm_nattch;
}

int main(void) {
    size_t size = 5 << 20;
    int id = shmget(IPC_PRIVATE, size + 100, IPC_CREAT | 0600);
    printf("made: %d\n", id >= 0);
    char *one = shmat(id, NULL, 0), *other = shmat(id, NULL, 0), *view = shmat(id, NULL, SHM_RDONLY);
    printf("attached: %d %d\n", one != (void *)-1 && other != (void *)-1 && view != (void *)-1, attached(id));
    strcpy(one + size, "written in one view");
    printf("other: %s\n", other + size);
    printf("read only: %s\n", view + size);
    printf("protected: %d", mprotect(view, 4096, PROT_READ | PROT_WRITE));
    printf(" %s\n", errno == EACCES ? "EACCES" : "?");
    if (!fork()) {
        strcpy(other, "written by the child");
        _exit(attached(id) == 6 ? 7 : 8);
    }
    int status;
    wait(&status);
    printf("child: %d %s\n", WEXITSTATUS(status), one);
    printf("detached: %d %d\n", shmdt(other), attached(id));
    printf("again: %d", shmdt(other));
    printf(" %s\n", error());
    printf("in the middle: %d", shmdt(one + 4096));
    printf(" %s\n", error());

    char *place = mmap(NULL, size + (4 << 20), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *at = (char *)(((unsigned long)place + (2 << 20)) & ~((2ul << 20) - 1));
    printf("occupied: %d", shmat(id, at, 0) == (void *)-1);
    printf(" %s\n", error());
    printf("replaced: %d\n", shmat(id, at, SHM_REMAP) == (void *)at);
    printf("there: %s\n", at);
    printf("unaligned: %d", shmat(id, at + 8, 0) == (void *)-1);
    printf(" %s\n", error());
    printf("unmapped: %d %d\n", munmap(at, (size + 100 + 4095) & ~4095ul), attached(id));
    printf("removed: %d\n", shmctl(id, IPC_RMID, NULL));
    printf("still there: %s\n", one);
    printf("last: %d %d\n", shmdt(view), shmdt(one));
    printf("gone: %d", shmat(id, NULL, 0) == (void *)-1);
    printf(" %s\n", error());
    return 0;
}
