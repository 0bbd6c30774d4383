// linking: glibc musl
// Memory policies, comparing descriptors, and the calls that make mounts: results and errors.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void show(const char *what, long value) {
    if (value < 0) printf("%s: %s\n", what, strerror(errno));
    else printf("%s: %ld\n", what, value);
}

int main(void) {
    unsigned long nodes[16] = {1};
    int policy = 77;
    show("get", syscall(SYS_get_mempolicy, &policy, nodes, 1024, 0, 0));
    printf("policy %d, nodes %lx\n", policy, nodes[0]);
    nodes[0] = 1;
    show("prefer node 0", syscall(SYS_set_mempolicy, 1, nodes, 64, 0, 0));
    show("get", syscall(SYS_get_mempolicy, &policy, nodes, 1024, 0, 0));
    printf("policy %d, nodes %lx\n", policy, nodes[0]);
    show("default", syscall(SYS_set_mempolicy, 0, NULL, 0));
    show("no such policy", syscall(SYS_set_mempolicy, 99, nodes, 64));
    show("too many nodes", syscall(SYS_set_mempolicy, 1, nodes, 1ul << 40));
    show("nowhere", syscall(SYS_set_mempolicy, 1, (void *)8, 64));
    char *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory[0] = 1;
    show("bind", syscall(SYS_mbind, memory, 1 << 20, 2, nodes, 64, 0));
    show("bind what is not aligned", syscall(SYS_mbind, memory + 1, 4096, 2, nodes, 64, 0));
    munmap(memory, 1 << 20);
    show("bind what is not mapped", syscall(SYS_mbind, memory, 4096, 2, nodes, 64, 0));

    int one = open("/dev/null", O_RDONLY), two = dup(one), other = open("/dev/null", O_RDONLY);
    show("same", syscall(SYS_kcmp, getpid(), getpid(), 0, one, two));
    show("different", syscall(SYS_kcmp, getpid(), getpid(), 0, one, other) > 0);
    show("none", syscall(SYS_kcmp, getpid(), getpid(), 0, one, 500));
    show("memory", syscall(SYS_kcmp, getpid(), gettid(), 1, 0, 0));
    show("no such comparison", syscall(SYS_kcmp, getpid(), getpid(), 50, 0, 0));

    show("no such file system", syscall(SYS_fsopen, "none of these", 0));
    show("not a context", syscall(SYS_fsconfig, one, 1, "key", "value", 0));
    show("no context", syscall(SYS_fsmount, 500, 0, 0));
    int tree = syscall(SYS_open_tree, AT_FDCWD, "/", 0);
    show("tree", tree >= 0);
    show("no tree", syscall(SYS_open_tree, AT_FDCWD, "/nowhere", 0));
    show("move nothing", syscall(SYS_move_mount, AT_FDCWD, "/nowhere", AT_FDCWD, "/nowhere", 0));
    show("set nothing", syscall(SYS_mount_setattr, AT_FDCWD, "/nowhere", 0, nodes, 8));
    return 0;
}
