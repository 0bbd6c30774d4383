// linking: glibc musl
// vfork and posix_spawn: the child shares the memory until it is another program or gone.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int status_of(pid_t child) {
    int status = -1;
    return waitpid(child, &status, 0) == child ? status : -1;
}

static volatile int seen;
static char *volatile block;

static char stack[64 << 10];

static int on_own_stack(void *argument) {
    seen = *(int *)argument;
    block = malloc(100);
    strcpy(block, "from the child");
    signal(SIGUSR1, SIG_IGN);
    _exit(4);
}

int main(int count, char **arguments) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count > 1) {
        printf("child:");
        for (int i = 1; i < count; i++)
            printf(" %s", arguments[i]);
        const char *set = getenv("SET");
        printf(" %s\n", set ? set : "unset");
        return 6;
    }
    pid_t child = vfork();
    if (child == 0) {
        seen = 1;
        _exit(3);
    }
    CHECK(seen == 1);
    CHECK(WEXITSTATUS(status_of(child)) == 3);

    child = vfork();
    if (child == 0) {
        int own = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
        _exit(own >= 0 && close(own) == 0 ? 4 : 5);
    }
    CHECK(WEXITSTATUS(status_of(child)) == 4);

    char *volatile freed = malloc(64);
    child = vfork();
    if (child == 0) {
        free(freed);
        _exit(0);
    }
    CHECK(status_of(child) == 0);
    block = malloc(64);
    CHECK(block != NULL);

    int value = 77;
    child = clone(on_own_stack, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &value);
    CHECK(child > 0 && seen == 77);
    CHECK(strcmp(block, "from the child") == 0);
    free(block);
    CHECK(WEXITSTATUS(status_of(child)) == 4);
    struct sigaction action;
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL);

    child = vfork();
    if (child == 0) {
        execl("/nonexistent", "x", (char *)NULL);
        seen = errno;
        _exit(127);
    }
    CHECK(seen == ENOENT);
    CHECK(WEXITSTATUS(status_of(child)) == 127);

    child = vfork();
    if (child == 0) {
        kill(getpid(), SIGKILL);
        _exit(1);
    }
    int status = status_of(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    char *words[] = {"child", "one", "", "two three", NULL};
    char *variables[] = {"SET=by the parent", "LD_PRELOAD=/nowhere", NULL};
    child = -1;
    int spawned = posix_spawn(&child, "/proc/self/exe", NULL, NULL, words, variables);
    status = status_of(child);
    CHECK(spawned == 0 && WEXITSTATUS(status) == 6);
    CHECK(posix_spawn(&child, "/nonexistent", NULL, NULL, words, environ) == ENOENT);
    CHECK(posix_spawn(&child, "/etc", NULL, NULL, words, environ) == EACCES);

    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    CHECK(posix_spawnp(&child, "/proc/self/exe", &actions, NULL, words, variables) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    char text[200];
    long length = 0, got;
    while ((got = read(ends[0], text + length, sizeof text - 1 - length)) > 0)
        length += got;
    text[length] = 0;
    CHECK(strcmp(text, "child: one  two three by the parent\n") == 0);
    CHECK(WEXITSTATUS(status_of(child)) == 6);

    for (int i = 0; i < 50; i++) {
        child = vfork();
        if (child == 0) {
            execl("/proc/self/exe", "again", "x", (char *)NULL);
            _exit(1);
        }
        if (i % 10 == 0)
            status_of(child);
    }
    while (wait(NULL) > 0)
        ;
    CHECK(system("exit 9") >> 8 == 9);
    FILE *output = popen("echo piped; exit 2", "r");
    CHECK(output != NULL && fgets(text, sizeof text, output) != NULL);
    CHECK(strcmp(text, "piped\n") == 0);
    CHECK(WEXITSTATUS(pclose(output)) == 2);
    puts("end");
    return 0;
}
