// linking: glibc musl
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int main(void) {
    struct rlimit limit, before;
    for (int which = 0; which < RLIMIT_NLIMITS; which++) {
        CHECK(getrlimit(which, &limit) == 0);
        if (which == RLIMIT_STACK || which == RLIMIT_CORE || which == RLIMIT_NOFILE)
            printf("     limit %d: %ld %ld\n", which, (long)limit.rlim_cur, (long)limit.rlim_max);
    }
    CHECK_ERRNO(getrlimit(99, &limit), EINVAL);
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    limit = before;
    limit.rlim_cur = 40;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    struct rlimit now;
    CHECK(prlimit(0, RLIMIT_NOFILE, NULL, &now) == 0 && now.rlim_cur == 40);
    int opened = 0, file;
    while ((file = open("/dev/null", O_RDONLY)) >= 0)
        opened = file;
    CHECK(errno == EMFILE && opened == 39);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    limit.rlim_cur = 10;
    limit.rlim_max = 5;
    CHECK_ERRNO(setrlimit(RLIMIT_CORE, &limit), EINVAL);

    struct utsname names;
    CHECK(uname(&names) == 0 && strcmp(names.sysname, "Linux") == 0 && strcmp(names.machine, "x86_64") == 0);
    struct sysinfo info;
    CHECK(sysinfo(&info) == 0 && info.totalram > 0);
    cpu_set_t set;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= 1);
    CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1 && sysconf(_SC_PAGESIZE) == 4096);
    CHECK(getpid() > 0 && getpid() == syscall(SYS_gettid) && getppid() > 0);
    CHECK(getpriority(PRIO_PROCESS, 0) >= -20);
    uid_t real, effective, saved;
    CHECK(getresuid(&real, &effective, &saved) == 0 && real == getuid() && effective == geteuid());
    char name[16] = "";
    CHECK(prctl(PR_SET_NAME, "worker") == 0 && prctl(PR_GET_NAME, name) == 0 && strcmp(name, "worker") == 0);
    mode_t mask = 022;
    umask(mask);
    CHECK(umask(077) == 022);
    printf("     %d %d %s\n", getuid(), getgid(), names.nodename);
    return 0;
}
