// linking: glibc pie
// Memory that a child does not get, or gets empty: what madvise says of a mapping goes where the
// mapping goes, and to children's children.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

static int status_of(pid_t child)
{
    int status = -1;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What the child of the kind that `kind` names says of the condition: 1 for true. */
static int in_child(long flags, int (*says)(void *), void *with)
{
    fflush(stdout);
    pid_t child = flags < 0 ? fork() : (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
    if (child == 0)
        _exit(says(with));
    return status_of(child);
}

static char *map(unsigned long pages, int flags, int file)
{
    return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags, file, 0);
}

static char *fresh(unsigned long pages)
{
    char *made = map(pages, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    memset(made, 'x', pages * PAGE);
    return made;
}

static int is(const char *at, unsigned long pages, char value)
{
    for (unsigned long i = 0; i < pages * PAGE; i++)
        if (at[i] != value)
            return 0;
    return 1;
}

static int is_mapped(void *at)
{
    unsigned char there;
    return mincore(at, PAGE, &there) == 0;
}

/* The middle of three pages is empty, and can be used. */
static int middle_is_empty(void *at)
{
    char *block = at;
    if (!is(block, 1, 'x') || !is(block + PAGE, 1, 0) || !is(block + 2 * PAGE, 1, 'x'))
        return 0;
    block[PAGE] = 'y';
    return block[PAGE] == 'y' && block[PAGE + 1] == 0;
}

static int all_is_there(void *at) { return is(at, 3, 'x'); }

/* A child's child: what its parent stored in the page is gone again. */
static int childs_child(void *at)
{
    char *block = at;
    return middle_is_empty(at) && block[PAGE] == 'y' && in_child(-1, middle_is_empty, at) == 1 &&
           block[PAGE] == 'y';
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    _exit(info->si_code == SEGV_MAPERR ? 1 : 2);
}

static int touched(void *at)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    return *(volatile char *)at == 0 ? 3 : 4;
}

static int middle_is_gone(void *at)
{
    char *block = at;
    if (!is(block, 1, 'x') || !is(block + 2 * PAGE, 1, 'x') || is_mapped(block + PAGE))
        return 0;
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], block + PAGE, 1) != -1 || errno != EFAULT)
        return 0;
    if (in_child(-1, touched, block + PAGE) != 1)
        return 0;
    /* Its place can be used. */
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    char *again = mmap(block + PAGE, PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (again != block + PAGE || !is(again, 1, 0))
        return 0;
    memset(again, 'z', PAGE);
    /* And what is there now is a child's. */
    return is(again, 1, 'z') && in_child(-1, all_is_there, again - PAGE) == 0 &&
           in_child(-1, touched, again) == 4;
}

static int is_gone(void *at) { return !is_mapped(at); }
static int is_zero(void *at) { return is(at, 1, 0); }
static int is_zero_far(void *at) { return is((char *)at + 600 * PAGE, 1, 0) && is(at, 600, 0); }
static int is_x(void *at) { return is(at, 1, 'x'); }

int main(void)
{
    char *block = fresh(3), *middle = block + PAGE;

    CHECK(madvise(middle, PAGE, MADV_WIPEONFORK) == 0 && is(block, 3, 'x'));
    CHECK(in_child(-1, middle_is_empty, block) == 1 && is(block, 3, 'x'));
    CHECK(in_child(-1, childs_child, block) == 1);
    CHECK(in_child(SIGCHLD, middle_is_empty, block) == 1);
    CHECK(in_child(CLONE_FS | SIGCHLD, middle_is_empty, block) == 1 && is(block, 3, 'x'));
    /* Who shares the memory has all of it. */
    fflush(stdout);
    pid_t child = vfork();
    if (child == 0)
        _exit(is(block, 3, 'x'));
    CHECK(status_of(child) == 1);
    /* It is not what is there but the mapping that is meant: it may be protected, locked, moved. */
    CHECK(mprotect(middle, PAGE, PROT_READ) == 0 && in_child(-1, is_zero, middle) == 1);
    CHECK(mprotect(middle, PAGE, PROT_READ | PROT_WRITE) == 0 && mlock(middle, PAGE) == 0);
    CHECK(in_child(-1, middle_is_empty, block) == 1 && munlock(middle, PAGE) == 0);
    char *place = fresh(3);
    CHECK(mremap(middle, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place + PAGE) == place + PAGE);
    CHECK(in_child(-1, middle_is_empty, place) == 1 && is(place, 3, 'x'));
    CHECK(mremap(place + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, middle) == middle);
    /* A new mapping there is not meant. */
    CHECK(mmap(middle, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
          middle);
    memset(middle, 'x', PAGE);
    CHECK(in_child(-1, all_is_there, block) == 1);
    CHECK(madvise(middle, PAGE, MADV_WIPEONFORK) == 0 && madvise(block, 3 * PAGE, MADV_KEEPONFORK) == 0);
    CHECK(in_child(-1, all_is_there, block) == 1);
    /* It grows, and what it grows by is meant too. */
    char *growing = map(8, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    munmap(growing + PAGE, 7 * PAGE);
    CHECK(madvise(growing, PAGE, MADV_WIPEONFORK) == 0);
    growing = mremap(growing, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
    memset(growing, 'x', 2 * PAGE);
    CHECK(in_child(-1, is_zero, growing) == 1 && in_child(-1, is_zero, growing + PAGE) == 1);
    /* Much of it, and such as was never touched. */
    char *large = fresh(1200);
    CHECK(madvise(large, 1200 * PAGE, MADV_WIPEONFORK) == 0 && in_child(-1, is_zero_far, large) == 1);
    CHECK(is(large, 1200, 'x') && munmap(large, 1200 * PAGE) == 0);
    large = map(1 << 20, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    CHECK(madvise(large, PAGE << 20, MADV_WIPEONFORK) == 0);
    large[PAGE << 19] = 'x';
    CHECK(in_child(-1, is_zero, large + (PAGE << 19)) == 1 && large[PAGE << 19] == 'x');
    munmap(large, PAGE << 20);

    /* Mappings that a child does not have. */
    CHECK(madvise(middle, PAGE, MADV_DONTFORK) == 0 && is(block, 3, 'x'));
    CHECK(in_child(-1, middle_is_gone, block) == 1 && is(block, 3, 'x'));
    CHECK(in_child(CLONE_FS | SIGCHLD, middle_is_gone, block) == 1);
    CHECK(in_child(-1, touched, middle) == 1);
    child = vfork();
    if (child == 0)
        _exit(is(block, 3, 'x'));
    CHECK(status_of(child) == 1);
    CHECK(madvise(middle, PAGE, MADV_WIPEONFORK) == 0 && madvise(middle, PAGE, MADV_DOFORK) == 0);
    CHECK(in_child(-1, middle_is_empty, block) == 1);
    CHECK(madvise(middle, PAGE, MADV_KEEPONFORK) == 0 && in_child(-1, all_is_there, block) == 1);

    /* Other kinds of memory. */
    int file = open("fork.memory", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(file >= 0 && write(file, block, PAGE) == PAGE);
    char *shared = map(1, MAP_SHARED | MAP_ANONYMOUS, -1), *private = map(1, MAP_PRIVATE, file);
    char *both = map(1, MAP_SHARED, file);
    int id = shmget(IPC_PRIVATE, PAGE, 0600);
    char *segment = shmat(id, NULL, 0);
    CHECK(id >= 0 && shmctl(id, IPC_RMID, NULL) == 0);
    memset(shared, 'x', PAGE);
    memset(segment, 'x', PAGE);
    char *others[] = {shared, private, both, segment};
    for (int i = 0; i < 4; i++) {
        CHECK_ERRNO(madvise(others[i], PAGE, MADV_WIPEONFORK), EINVAL);
        CHECK(madvise(others[i], PAGE, MADV_KEEPONFORK) == 0);
        CHECK(madvise(others[i], PAGE, MADV_DONTFORK) == 0 && in_child(-1, is_gone, others[i]) == 1);
        CHECK(is(others[i], 1, 'x'));
        CHECK(madvise(others[i], PAGE, MADV_DOFORK) == 0 && in_child(-1, is_x, others[i]) == 1);
    }

    /* Holes are told of, and the rest is done; another kind of memory ends it. */
    char *holes = fresh(3);
    munmap(holes + PAGE, PAGE);
    CHECK_ERRNO(madvise(holes, 3 * PAGE, MADV_WIPEONFORK), ENOMEM);
    CHECK(in_child(-1, is_zero, holes) == 1 && in_child(-1, is_zero, holes + 2 * PAGE) == 1);
    CHECK(mmap(holes + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == holes + PAGE);
    CHECK(madvise(holes, 3 * PAGE, MADV_KEEPONFORK) == 0 && in_child(-1, is_x, holes) == 1);
    CHECK_ERRNO(madvise(holes, 3 * PAGE, MADV_WIPEONFORK), EINVAL);
    CHECK(in_child(-1, is_zero, holes) == 1 && in_child(-1, is_x, holes + 2 * PAGE) == 1);
    CHECK_ERRNO(madvise(holes + 1, PAGE, MADV_WIPEONFORK), EINVAL);
    CHECK_ERRNO(madvise(holes + 1, PAGE, MADV_DONTFORK), EINVAL);
    return 0;
}
