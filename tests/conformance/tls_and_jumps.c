// linking: glibc pie musl
#include "check.h"
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

static __thread int counter = 5;
static __thread char text[300] = "thread-local";
_Thread_local long aligned __attribute__((aligned(64))) = 9;

static jmp_buf back;

__attribute__((noinline)) static void down(int level) {
    char frame[200];
    memset(frame, level, sizeof frame);
    if (level == 50)
        longjmp(back, frame[0]);
    down(level + 1);
    counter += frame[3];
}

int main(void) {
    CHECK(counter == 5 && strcmp(text, "thread-local") == 0 && aligned == 9);
    CHECK((unsigned long)&aligned % 64 == 0);
    counter++;
    text[0] = 'T';
    CHECK(counter == 6 && text[0] == 'T' && text[299] == 0);
    volatile int turns = 0;
    int value = setjmp(back);
    turns++;
    if (value == 0)
        down(1);
    CHECK(value == 50 && turns == 2);
    errno = 0;
    CHECK(errno == 0);
    return 0;
}
