// expect: heap-use-after-free READ 8
// region: 24 of 32
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

static long *cells;
static size_t room = 4, count;

static long *push(long value) {
    if (count == room) {
        room *= 2;
        cells = reallocarray(cells, room, sizeof *cells); /* FREE */
    }
    cells[count] = value;
    return &cells[count++];
}

int main(void) {
    cells = malloc(room * sizeof *cells); /* ALLOC */
    long *last = NULL;
    for (long i = 0; i < 4; i++)
        last = push(i);
#ifdef BUG
    push(4);
#endif
    long value = *last; /* FAULT */
    printf("%ld\n", value);
    free(cells);
    puts("survived");
    return 0;
}
