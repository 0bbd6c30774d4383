// linking: glibc pie musl
// args: one --two=2 -3
// env: ALPHA=1 BETA=two= GAMMA=
#define _GNU_SOURCE
#include "check.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv, char **envp) {
    for (int i = 1; i < argc; i++)
        printf("     argument %d: %s\n", i, argv[i]);
    for (char **at = environ; *at != NULL; at++)
        printf("     %s\n", *at);
    CHECK(argv[argc] == NULL);
    CHECK(envp == environ);
    CHECK(strcmp(getenv("BETA"), "two=") == 0);
    CHECK(strcmp(getenv("GAMMA"), "") == 0);
    CHECK(getenv("DELTA") == NULL);
    /* The strings lie above the pointers, as the kernel has it. */
    CHECK((uintptr_t)argv[0] > (uintptr_t)envp);
    CHECK((uintptr_t)argv % 8 == 0);
    setenv("DELTA", "4", 1);
    CHECK(strcmp(getenv("DELTA"), "4") == 0);
    unsetenv("ALPHA");
    CHECK(getenv("ALPHA") == NULL);
    return 0;
}
