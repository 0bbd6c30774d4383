// expect: heap-use-after-free
// call: execve 2
// region: 0 of 24
// oracle: blind
// The second argument of a program.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    char *buffer = calloc(1, 24); /* ALLOC */
    char name[] = "/nonexistent/program", *list[] = {name, buffer, NULL};
#ifdef BUG
    free(buffer); /* FREE */
#endif
    long result = syscall(SYS_execve, "/bin/true", list, NULL); /* FAULT */
    printf("%ld\n", result);
#ifndef BUG
    free(buffer);
#endif
    puts("survived");
    return 0;
}
