// linking: glibc
// Every system call with wrong arguments, one wrong thing at a time and some pairs: the guest says the
// same as the host. A line for each call and way of being wrong lists the errors, 0 where it succeeded.
//
// The letters of a call say what its arguments are; `values_of` says what each is tried with. A test
// holds the names here against the table of calls. With EVERY_PAIR set all pairs are tried, some
// hundred thousand calls; with a name as argument that call only.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

enum { PAGE = 4096, MOST = 48 };
#define PLACE 0x10000000000 /* nothing else comes near */

struct call {
    const char *name;
    long number;
    const char *arguments;
};

#define CALL(name, arguments) {#name, SYS_##name, arguments}

/*
 * d descriptor   D directory        p memory           s path of a file   a path of nothing
 * n length       f flags, one bit each                 c command          v any 64-bit value
 * 0 always zero  - always -1        i small number, not tried             t text
 * w memory that holds a small time  u as w, no other time            k clock
 * x memory that holds nonsense      m no memory           e identifier   l resource
 * q 8, the size of a signal mask    h number of descriptors              A advice
 * N length of a mapping
 * o as d, no epoll                  g as p, not read only               y rights, or kind of mapping
 */
static const struct call calls[] = {
    CALL(read, "dpn"), CALL(write, "dpn"), CALL(pread64, "dpnv"), CALL(pwrite64, "dpnv"),
    CALL(readv, "dpn"), CALL(writev, "dpn"), CALL(preadv, "dpnv0"), CALL(pwritev, "dpnv0"),
    CALL(preadv2, "dpnv0f"), CALL(pwritev2, "dpnv0f"), CALL(lseek, "dvc"),
    CALL(sendfile, "ddpn"), CALL(copy_file_range, "dpdpnf"), CALL(splice, "dpdpnf"),
    CALL(tee, "ddnf"), CALL(vmsplice, "dpnf"), CALL(truncate, "av"), CALL(ftruncate, "d0"),
    CALL(fallocate, "df00"), CALL(fadvise64, "dvvc"), CALL(readahead, "d0n"), CALL(fsync, "d"),
    CALL(fdatasync, "d"), CALL(sync_file_range, "dvvf"), CALL(flock, "df"), CALL(getrandom, "pnf"),
    CALL(ioprio_get, "c0"),
    CALL(open, "sf0"), CALL(openat, "Dsf0"), CALL(openat2, "Dspn"), CALL(creat, "a0"),
    CALL(stat, "sp"), CALL(fstat, "dp"), CALL(lstat, "sp"), CALL(newfstatat, "Dspf"),
    CALL(statx, "Dsf0p"), CALL(statfs, "sp"), CALL(fstatfs, "dp"), CALL(ustat, "vp"),
    CALL(access, "sf"), CALL(faccessat, "Dsf"), CALL(faccessat2, "Dsff"), CALL(readlink, "spn"),
    CALL(readlinkat, "Dspn"), CALL(getcwd, "pn"), CALL(chdir, "a"), CALL(fchdir, "-"),
    CALL(chroot, "a"), CALL(mkdir, "s0"), CALL(mkdirat, "Ds0"), CALL(rmdir, "a"), CALL(unlink, "a"),
    CALL(unlinkat, "Daf"), CALL(rename, "as"), CALL(renameat, "DaDs"), CALL(renameat2, "DaDsf"),
    CALL(link, "as"), CALL(linkat, "DaDsf"), CALL(symlink, "ts"), CALL(symlinkat, "tDs"),
    CALL(mknod, "sc0"), CALL(mknodat, "Dsc0"), CALL(chmod, "ac"), CALL(fchmod, "-c"),
    CALL(fchmodat, "Dac"), CALL(fchmodat2, "Dacf"), CALL(chown, "acc"), CALL(fchown, "-cc"),
    CALL(lchown, "acc"), CALL(fchownat, "Daccf"), CALL(utime, "ap"), CALL(utimes, "ap"),
    CALL(futimesat, "Dap"), CALL(utimensat, "Dapf"), CALL(getdents, "dpn"), CALL(getdents64, "dpn"),
    CALL(setxattr, "atpnf"), CALL(lsetxattr, "atpnf"), CALL(fsetxattr, "dtpnf"),
    CALL(getxattr, "stpn"), CALL(lgetxattr, "stpn"), CALL(fgetxattr, "dtpn"),
    CALL(listxattr, "spn"), CALL(llistxattr, "spn"), CALL(flistxattr, "dpn"),
    CALL(removexattr, "at"), CALL(lremovexattr, "at"), CALL(fremovexattr, "dt"),
    CALL(name_to_handle_at, "Dsppf"), CALL(open_by_handle_at, "Dpf"),
    CALL(mount, "tattt"), CALL(open_tree, "Dsf"), CALL(move_mount, "DaDaf"), CALL(fsopen, "tf"),
    CALL(fsconfig, "dctpc"), CALL(fsmount, "dff"), CALL(fspick, "Dsf"), CALL(mount_setattr, "Dafpn"),
    CALL(umount2, "af"), CALL(pivot_root, "as"), CALL(swapon, "af"), CALL(swapoff, "a"),
    CALL(acct, "a"), CALL(inotify_init1, "f"), CALL(inotify_add_watch, "dsf"),
    CALL(inotify_rm_watch, "dc"),
    CALL(close, "-"), CALL(close_range, "--f"), CALL(dup, "-"), CALL(dup2, "dv"), CALL(dup3, "d-f"),
    CALL(fcntl, "dcp"), CALL(ioctl, "ocp"), CALL(pipe, "p"), CALL(pipe2, "pf"),
    CALL(eventfd2, "0f"), CALL(epoll_create1, "f"), CALL(epoll_create, "c"),
    CALL(memfd_create, "tf"), CALL(pidfd_open, "vf"),
    CALL(socket, "ccc"), CALL(socketpair, "cccp"), CALL(bind, "dpn"), CALL(connect, "dpn"),
    CALL(listen, "d0"), CALL(accept, "dpp"), CALL(accept4, "dppf"), CALL(getsockname, "dpp"),
    CALL(getpeername, "dpp"), CALL(sendto, "dpnfpn"), CALL(recvfrom, "dpnfpp"),
    CALL(sendmsg, "dpf"), CALL(recvmsg, "dpf"), CALL(sendmmsg, "dpnf"), CALL(recvmmsg, "dpnfp"),
    CALL(shutdown, "-c"), CALL(setsockopt, "dccpn"), CALL(getsockopt, "dccpp"),
    CALL(poll, "pn0"), CALL(ppoll, "pnwpq"), CALL(select, "hpppu"), CALL(pselect6, "hpppw0"),
    CALL(epoll_ctl, "dcdp"), CALL(epoll_wait, "dpn0"), CALL(epoll_pwait, "dpn0pq"),
    CALL(epoll_pwait2, "dpnwpq"),
    CALL(time, "p"), CALL(gettimeofday, "pp"), CALL(clock_gettime, "vp"), CALL(clock_getres, "vp"),
    CALL(settimeofday, "pp"), CALL(clock_settime, "vp"), CALL(clock_adjtime, "vp"),
    CALL(adjtimex, "g"), CALL(nanosleep, "wp"), CALL(clock_nanosleep, "k0wp"), CALL(times, "p"),
    CALL(getitimer, "vp"), CALL(setitimer, "vpp"), CALL(timer_create, "vpp"),
    CALL(timer_settime, "v0pp"), CALL(timer_gettime, "vp"), CALL(timer_getoverrun, "v"),
    CALL(timer_delete, "v"), CALL(timerfd_create, "vf"), CALL(timerfd_settime, "dfpp"),
    CALL(timerfd_gettime, "dp"),
    CALL(mmap, "0Nyyd0"), CALL(munmap, "mn"), CALL(mprotect, "mnc"), CALL(mremap, "mnnf0"),
    CALL(madvise, "pnA"), CALL(mincore, "pnp"), CALL(msync, "pnf"), CALL(mlock, "pn"),
    CALL(mlock2, "pnf"), CALL(munlock, "pn"), CALL(mlockall, "v"), CALL(membarrier, "ff0"),
    CALL(mbind, "pncpnf"), CALL(set_mempolicy, "cpn"), CALL(get_mempolicy, "ppnpf"),
    CALL(getpgid, "v"), CALL(setpgid, "vv"), CALL(getsid, "v"), CALL(wait4, "vpfp"),
    CALL(waitid, "cvpfp"), CALL(execve, "app"), CALL(execveat, "Dappf"), CALL(arch_prctl, "cp"),
    CALL(prctl, "cpp00"), CALL(set_robust_list, "pn"), CALL(get_robust_list, "0pp"),
    CALL(futex, "gfi0pi"), CALL(futex_waitv, "pnfp0"), CALL(getcpu, "pp0"), CALL(getrusage, "vp"),
    CALL(sched_setparam, "vp"), CALL(sched_getparam, "vp"), CALL(sched_setscheduler, "vcp"),
    CALL(sched_getscheduler, "v"), CALL(sched_get_priority_max, "v"),
    CALL(sched_get_priority_min, "v"), CALL(sched_rr_get_interval, "vp"),
    CALL(sched_setaffinity, "vnp"), CALL(sched_getaffinity, "vnp"), CALL(sched_setattr, "vpf"),
    CALL(sched_getattr, "vpnf"), CALL(getpriority, "cv"), CALL(setpriority, "cvi"),
    CALL(setns, "df"), CALL(kcmp, "00cdd"),
    CALL(setuid, "-"), CALL(setgid, "-"), CALL(setreuid, "-0"), CALL(setregid, "-0"),
    CALL(setresuid, "-0-"), CALL(setresgid, "-0-"), CALL(getresuid, "ppp"), CALL(getresgid, "ppp"),
    CALL(getgroups, "np"), CALL(setgroups, "np"), CALL(capget, "pp"), CALL(capset, "pp"),
    CALL(getrlimit, "lp"), CALL(setrlimit, "lp"), CALL(prlimit64, "0lpp"), CALL(uname, "p"),
    CALL(sysinfo, "p"), CALL(sethostname, "pn"), CALL(setdomainname, "pn"), CALL(syslog, "-pn"),
    CALL(rt_sigaction, "vppq"), CALL(rt_sigprocmask, "cppq"), CALL(rt_sigpending, "pn"),
    CALL(rt_sigtimedwait, "ppwq"), CALL(sigaltstack, "pp"), CALL(kill, "v-"), CALL(tkill, "v0"),
    CALL(tgkill, "vv0"), CALL(rt_sigqueueinfo, "vvp"), CALL(rt_tgsigqueueinfo, "vvvp"),
    CALL(pidfd_send_signal, "dvpf"), CALL(signalfd, "-pn"), CALL(signalfd4, "-pnf"),
    CALL(process_vm_readv, "vpnpnf"), CALL(process_vm_writev, "vpnpnf"), CALL(shmget, "0nf"),
    CALL(shmat, "epf"), CALL(shmctl, "ecp"), CALL(shmdt, "p"), CALL(semget, "0nf"),
    CALL(semtimedop, "epnw"), CALL(semop, "epn"), CALL(semctl, "e0cp"), CALL(msgget, "ef"),
    CALL(msgsnd, "epnf"), CALL(msgrcv, "epnvf"), CALL(msgctl, "ecp"), CALL(mq_open, "t00p"),
    CALL(mq_unlink, "t"), CALL(mq_timedsend, "dpncw"), CALL(mq_timedreceive, "dpnpw"),
    CALL(mq_getsetattr, "dpp"), CALL(mq_notify, "dp"), CALL(add_key, "ttpn0"),
    CALL(request_key, "ttt0"), CALL(clone3, "xn"), CALL(io_setup, "np"),
    CALL(io_destroy, "v"), CALL(io_submit, "vnp"), CALL(io_getevents, "vvvpw"), CALL(io_cancel, "vpp"),
    CALL(io_pgetevents, "vvvpwp"),
    CALL(rt_sigsuspend, "0n"),
};

/* Calls that are not tried: nothing can be wrong with them, or they cannot be made here. */
static const char *const untried[] = {
    "exit",         "exit_group", "fork",    "vfork",   "clone",    "pause",     "rt_sigreturn",
    "sync",         "syncfs",     "vhangup", "unshare", "umask",    "alarm",     "inotify_init",
    "eventfd",      "getpid",     "gettid",  "getppid", "getpgrp",  "setsid",    "sched_yield",
    "getuid",       "geteuid",    "getgid",  "getegid", "setfsuid", "setfsgid",  "munlockall",
    "memfd_secret", "brk",        "ioprio_set", "set_tid_address", "personality",
    "seccomp",      "keyctl",
};

static char *memory; /* two pages to write to, one to read only, then nothing */
static char *text_end;
static int file, folder, ends[2], sockets[2], poller, event, timer, watch, path_only;

/* What an argument is tried with, the first one being right; how many there are. */
static int values_of(char letter, uint64_t *values)
{
    char *hole = memory + 3 * PAGE;
    char *constant = memory + 2 * PAGE;
    int count = 0;
#define TRY(value) values[count++] = (uint64_t)(value)
    switch (letter) {
    case 'd': TRY(file), TRY(poller);
    case 'o':
        if (!count)
            TRY(file);
        TRY(-1), TRY(999), TRY(folder), TRY(ends[0]), TRY(ends[1]), TRY(sockets[0]);
        TRY(event), TRY(timer), TRY(watch), TRY(path_only), TRY(AT_FDCWD);
        TRY(0x80000000u), TRY(0x100000000ull + (unsigned)file);
        break;
    case 'D':
        TRY(AT_FDCWD), TRY(-1), TRY(999), TRY(file), TRY(folder), TRY(path_only), TRY(sockets[0]);
        TRY(0x80000000u);
        break;
    case 'p':
        TRY(memory), TRY(NULL), TRY(8), TRY(memory + 3), TRY(constant), TRY(constant - 4);
        TRY(hole), TRY(hole - 4), TRY(hole - 1), TRY(0x7ffffffff000), TRY(0x7fffffffeff0);
        TRY(0x800000000000), TRY(0xffff800000000000), TRY(-1), TRY(-4096), TRY(memory + PAGE - 2);
        break;
    case 'w':
        TRY(memory + PAGE), TRY(hole), TRY(hole - 4), TRY(8), TRY(0x800000000000), TRY(-1);
        TRY(memory + PAGE + 16);
        break;
    case 'u': TRY(memory + PAGE), TRY(hole), TRY(8), TRY(-1); break;
    case 'k': TRY(0), TRY(1), TRY(3), TRY(7), TRY(12), TRY(40), TRY(0x7fffffff); break;
    case 'm': TRY(memory + 3), TRY(hole), TRY(hole + 1), TRY(-4096), TRY(0x800000000000); break;
    case 'e': TRY(0x12345678), TRY(-1), TRY(0x7fffffff), TRY(0x80000000u); break;
    case 'l': TRY(16), TRY(-1), TRY(100), TRY(0x80000000u), TRY(1ull << 63 | 16); break;
    case 'h': TRY(0), TRY(-1), TRY(8), TRY(63), TRY(0x80000000u), TRY(0x100000000ull); break;
    case 'g':
        TRY(memory), TRY(NULL), TRY(8), TRY(memory + 3), TRY(hole), TRY(0x7ffffffff000);
        TRY(0x7fffffffeff0), TRY(0x800000000000), TRY(0xffff800000000000), TRY(-1), TRY(-4096);
        break;
    case 'A':
        for (int number = 0; number < 26; number++)
            TRY(number);
        TRY(-1), TRY(0x7fffffff);
        break;
    case 'y': TRY(MAP_PRIVATE), TRY(MAP_SHARED), TRY(MAP_ANONYMOUS | MAP_PRIVATE); break;
    case 'x': TRY(memory + 72), TRY(NULL), TRY(8), TRY(hole), TRY(hole - 4), TRY(-1); break;
    case 's':
    case 'a':
        TRY(letter == 's' ? "file" : "absent/x"), TRY(NULL), TRY(""), TRY(8), TRY(hole);
        TRY(hole - 3), TRY(text_end - 5), TRY("file/x"), TRY("file/"), TRY(-1);
        TRY(0x800000000000), TRY(memory + 64), TRY("/proc/absent"), TRY("loop");
        break;
    case 't':
        TRY("user.x"), TRY(NULL), TRY(""), TRY(8), TRY(hole), TRY(hole - 3), TRY(text_end - 5);
        TRY(-1), TRY(0x800000000000), TRY(memory + 64);
        break;
    case 'N': TRY(16), TRY(0), TRY(PAGE), TRY(3 * PAGE + 1), TRY(1ull << 47), TRY(-1); break;
    case 'n':
        TRY(16), TRY(0), TRY(1), TRY(7), TRY(8), TRY(64), TRY(1024), TRY(1025), TRY(PAGE - 1);
        TRY(PAGE), TRY(2 * PAGE + 1), TRY(3 * PAGE + 1), TRY(0x7fffffff), TRY(0x80000000u);
        TRY(0xffffffffu), TRY(0x100000010ull), TRY(1ull << 47), TRY(1ull << 63), TRY(-1);
        break;
    case 'f':
        TRY(0), TRY(-1), TRY(1ull << 32);
        for (int bit = 0; bit < 32; bit++)
            TRY(1u << bit);
        break;
    case 'c':
        TRY(0), TRY(-1), TRY(0x7fffffff), TRY(0x80000000u), TRY(0x100000000ull);
        for (int number = 1; number < 40; number++)
            TRY(number);
        break;
    case 'v':
        TRY(0x12345678), TRY(-1), TRY(0x7fffffff), TRY(0x80000000u), TRY(0xffffffffu);
        TRY(1ull << 63), TRY(65), TRY(4097), TRY(12288);
        break;
    case 'i': TRY(1); break;
    case '-': TRY(-1), TRY(999); break;
    case 'q': TRY(8), TRY(0), TRY(4), TRY(16), TRY(-1); break;
    default: TRY(0);
    }
#undef TRY
    return count;
}

/* The memory as it was at the start. */
static void refill(void)
{
    memset(memory, 0, PAGE + 32);
    /* Words that are a length in one place and a time in another: the end of the first page and
       the start of the second. */
    ((uint64_t *)(memory + PAGE))[1] = 1;
    ((int64_t *)(memory + PAGE))[2] = 1;
    ((int64_t *)(memory + PAGE))[3] = 2000000000;
    memset(memory + 64, 'x', 8);
    memset(memory + PAGE + 32, 'y', PAGE - 32);
    memset(memory + 72, 'x', PAGE - 72);
    errno = 0;
}

static int done;

static int make(const struct call *call, const uint64_t *words)
{
    refill();
    done++;
    long result = syscall(call->number, words[0], words[1], words[2], words[3], words[4], words[5]);
    int error = result < 0 ? errno : 0;
    /* What a call that succeeded made is gone again. */
    if (result >= 0 && call->number == SYS_io_setup)
        syscall(SYS_io_destroy, *(uint64_t *)words[1]);
    if (result >= 0 && call->number == SYS_shmget)
        syscall(SYS_shmctl, result, IPC_RMID, NULL);
    if (result >= 0 && call->number == SYS_semget)
        syscall(SYS_semctl, result, 0, IPC_RMID, NULL);
    if (result >= 0 && call->number == SYS_msgget)
        syscall(SYS_msgctl, result, IPC_RMID, NULL);
    if (result > 12 && result < 1000)
        close_range((unsigned)watch + 1, ~0u, 0);
    return error;
}

static const char *name_of(int error)
{
    const char *name = error ? strerrorname_np(error) : "0";
    return name ? name : "?";
}

/* At most how many values of an argument are paired with another's. */
static int pairs = 4;

/* One wrong argument, then pairs of them: memory with a length, a descriptor with anything. */
static void try(const struct call *call)
{
    uint64_t right[6] = {0}, words[6], one[MOST], two[MOST];
    int arguments = (int)strlen(call->arguments);
    for (int i = 0; i < arguments; i++)
        values_of(call->arguments[i], one), right[i] = one[0];
    for (int i = 0; i < arguments; i++) {
        int count = values_of(call->arguments[i], one);
        printf("%s %d:", call->name, i + 1);
        for (int k = 0; k < count; k++) {
            memcpy(words, right, sizeof words);
            words[i] = one[k];
            printf(" %s", name_of(make(call, words)));
        }
        putchar('\n');
        for (int j = i + 1; j < arguments; j++) {
            const char *kinds = "pswatdDn";
            if (!strchr(kinds, call->arguments[i]) || !strchr(kinds, call->arguments[j]))
                continue;
            int others = values_of(call->arguments[j], two);
            printf("%s %d,%d:", call->name, i + 1, j + 1);
            for (int k = 1; k < count; k += 1 + count / pairs)
                for (int l = 1; l < others; l += 1 + others / pairs) {
                    memcpy(words, right, sizeof words);
                    words[i] = one[k], words[j] = two[l];
                    printf(" %s", name_of(make(call, words)));
                }
            putchar('\n');
        }
    }
    fflush(stdout);
}

static void prepare(void)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    memory = mmap((void *)PLACE, 3 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
    mprotect(memory + 2 * PAGE, PAGE, PROT_READ);
    text_end = mmap((void *)(PLACE + (1 << 30)), PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
    text_end += PAGE;
    memcpy(text_end - 5, "file", 5);
    file = open("file", O_RDWR | O_CREAT, 0644);
    write(file, "0123456789abcdef", 16);
    symlink("loop", "loop");
    folder = open(".", O_RDONLY | O_DIRECTORY);
    pipe2(ends, O_NONBLOCK);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets);
    poller = epoll_create1(0);
    event = eventfd(0, EFD_NONBLOCK);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    path_only = open("file", O_PATH);
    watch = inotify_init1(IN_NONBLOCK);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    if (geteuid() == 0) {
        setgroups(0, NULL);
        setresgid(65534, 65534, 65534);
        setresuid(65534, 65534, 65534);
    }
}

int main(int count, char **names)
{
    (void)untried;
    if (getenv("EVERY_PAIR"))
        pairs = MOST + 1;
    enum { CALLS = sizeof calls / sizeof *calls, TOGETHER = 16 };
    for (int first = 0; first < CALLS; first += TOGETHER) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            prepare();
            for (int i = first; i < first + TOGETHER && i < CALLS; i++)
                if (count < 2 || !strcmp(names[1], calls[i].name))
                    try(&calls[i]);
            _exit(0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        if (status)
            printf("FAIL %s and so on: status %x\n", calls[first].name, (unsigned)status);
        unlink("file");
        unlink("loop");
    }
    return 0;
}
