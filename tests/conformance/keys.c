// linking: glibc
// Keys and keyrings: made, found, read, changed, linked, given away, by a session's ring of its own.
#define _GNU_SOURCE
#include "check.h"
#include <linux/keyctl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static long control(int command, long a, const void *b, const void *c, long d)
{
    return syscall(SYS_keyctl, command, a, b, c, d);
}
static long numbers(int command, long a, long b, long c, long d)
{
    return syscall(SYS_keyctl, command, a, b, c, d);
}
static long add(const char *name, const void *payload, size_t length, long ring)
{
    return syscall(SYS_add_key, "user", name, payload, length, ring);
}

static long ring_of_thread(void) { return numbers(KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 1, 0, 0); }

static void *other_thread(void *result)
{
    *(long *)result = ring_of_thread();
    return NULL;
}

int main(void)
{
    char text[64], *heap = malloc(64);
    char *pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *edge = pages + 2 * PAGE, *constant = pages + PAGE;
    munmap(edge, PAGE);

    /* A ring for this program alone. */
    long ring = control(KEYCTL_JOIN_SESSION_KEYRING, 0, NULL, NULL, 0);
    CHECK(ring > 0);
    CHECK(control(KEYCTL_JOIN_SESSION_KEYRING, (long)"dangless", NULL, NULL, 0) > 0);
    CHECK_ERRNO(control(KEYCTL_JOIN_SESSION_KEYRING, 8, NULL, NULL, 0), EFAULT);
    CHECK_ERRNO(control(KEYCTL_JOIN_SESSION_KEYRING, (long)"", NULL, NULL, 0), EINVAL);
    ring = numbers(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0);
    CHECK(ring > 0);

    long key = add("one", "payload", 7, ring);
    CHECK(key > 0);
    CHECK(control(KEYCTL_SEARCH, ring, "user", "one", 0) == key);
    CHECK_ERRNO(control(KEYCTL_SEARCH, ring, "user", "none", 0), ENOKEY);
    CHECK_ERRNO(control(KEYCTL_SEARCH, ring, "user", (void *)8, 0), EFAULT);
    CHECK_ERRNO(control(KEYCTL_SEARCH, ring, (void *)8, "one", 0), EFAULT);
    CHECK(syscall(SYS_request_key, "user", "one", NULL, 0) == key);

    /* How much there is, and no more than there is room for. */
    memset(heap, 'x', 64);
    CHECK(control(KEYCTL_READ, key, NULL, NULL, 0) == 7);
    CHECK(control(KEYCTL_READ, key, heap, (void *)64, 0) == 7 && !memcmp(heap, "payloadx", 8));
    memset(heap, 'x', 64);
    CHECK(control(KEYCTL_READ, key, heap, (void *)3, 0) == 7 && heap[0] == 'x' && heap[3] == 'x');
    CHECK(control(KEYCTL_READ, key, edge - 7, (void *)7, 0) == 7 && !memcmp(edge - 7, "payload", 7));
    CHECK(control(KEYCTL_READ, key, edge - 8, (void *)64, 0) == 7 && !memcmp(edge - 8, "payload", 7));
    CHECK_ERRNO(control(KEYCTL_READ, key, edge - 3, (void *)64, 0), EFAULT);
    CHECK_ERRNO(control(KEYCTL_READ, key, (void *)8, (void *)64, 0), EFAULT);
    CHECK_ERRNO(control(KEYCTL_READ, 0x7ffffffe, heap, (void *)64, 0), ENOKEY);
    mprotect(constant, PAGE, PROT_READ);
    CHECK_ERRNO(control(KEYCTL_READ, key, constant, (void *)64, 0), EFAULT);

    long size = control(KEYCTL_DESCRIBE, key, text, (void *)sizeof text, 0);
    CHECK(size > 9 && size < (long)sizeof text && !strncmp(text, "user;", 5));
    CHECK((long)strlen(text) == size - 1 && !strcmp(strrchr(text, ';'), ";one"));
    memset(text, 'x', sizeof text);
    CHECK(control(KEYCTL_DESCRIBE, key, text, (void *)4, 0) == size && text[0] == 'x');
    unsigned char able[8];
    memset(able, 'x', sizeof able);
    CHECK(syscall(SYS_keyctl, KEYCTL_CAPABILITIES, able, sizeof able) > 0 && able[7] == 0);
    memset(able, 'x', sizeof able);
    CHECK(syscall(SYS_keyctl, KEYCTL_CAPABILITIES, able, 1) > 0 && able[0] != 'x' && able[1] == 'x');
    long label = control(KEYCTL_GET_SECURITY, key, text, (void *)sizeof text, 0);
    CHECK(label < 0 || strlen(text) == (size_t)label - 1);

    CHECK(control(KEYCTL_UPDATE, key, "another", (void *)7, 0) == 0);
    CHECK(control(KEYCTL_READ, key, heap, (void *)64, 0) == 7 && !memcmp(heap, "another", 7));
    CHECK_ERRNO(control(KEYCTL_UPDATE, key, (void *)8, (void *)7, 0), EFAULT);
    CHECK_ERRNO(control(KEYCTL_UPDATE, key, heap, (void *)(1 << 20), 0), EINVAL);
    CHECK_ERRNO(control(KEYCTL_INSTANTIATE, key, heap, (void *)4, 0), EPERM);

    /* Rings in rings. */
    long inner = syscall(SYS_add_key, "keyring", "inner", NULL, 0, ring);
    CHECK(inner > 0 && numbers(KEYCTL_LINK, key, inner, 0, 0) == 0);
    CHECK(numbers(KEYCTL_UNLINK, key, ring, 0, 0) == 0);
    CHECK(control(KEYCTL_SEARCH, inner, "user", "one", ring) == key);
    int held[4] = {0};
    CHECK(control(KEYCTL_READ, inner, held, (void *)sizeof held, 0) == 4 && held[0] == key);
    CHECK_ERRNO(numbers(KEYCTL_LINK, inner, inner, 0, 0), EDEADLK);
    CHECK(numbers(KEYCTL_MOVE, key, inner, ring, 0) == 0 || errno == EOPNOTSUPP);
    CHECK(numbers(KEYCTL_CLEAR, inner, 0, 0, 0) == 0);
    CHECK(control(KEYCTL_RESTRICT_KEYRING, inner, NULL, NULL, 0) == 0);
    CHECK_ERRNO(numbers(KEYCTL_LINK, key, inner, 0, 0), EPERM);
    CHECK(numbers(KEYCTL_SETPERM, key, 0x3f3f0000, 0, 0) == 0 && numbers(KEYCTL_SET_TIMEOUT, key, 1000, 0, 0) == 0);
    CHECK(numbers(KEYCTL_CHOWN, key, getuid(), -1, 0) == 0);

    /* Threads have rings of their own; children have their parent's session. */
    long own = ring_of_thread(), others = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, other_thread, &others);
    pthread_join(thread, NULL);
    CHECK(own > 0 && others > 0 && own != others && ring_of_thread() == own);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(control(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "one", 0) == key &&
                      ring_of_thread() != own
                  ? 0
                  : 1);
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(numbers(KEYCTL_REVOKE, key, 0, 0, 0) == 0);
    CHECK_ERRNO(control(KEYCTL_READ, key, heap, (void *)64, 0), EKEYREVOKED);
    CHECK(numbers(KEYCTL_INVALIDATE, inner, 0, 0, 0) == 0);
    CHECK_ERRNO(numbers(1000, 0, 0, 0, 0), EOPNOTSUPP);
    return 0;
}
