// expect: heap-use-after-free
// call: write 2
// region: 0 of 64
// oracle: blind
// Objects are replaced faster than the host can revoke them: the last one freed still waits.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIVE = 20000, ROUNDS = 400000 };

static void *live[LIVE];

int main(void) {
    unsigned long state = 88172645463325252;
    for (int i = 0; i < ROUNDS; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        unsigned which = (unsigned)(state >> 40) % LIVE;
        free(live[which]);
        live[which] = calloc(1, 16 + (state >> 20) % 496);
    }
    char *text = malloc(64); /* ALLOC */
    strcpy(text, "text\n");
#ifdef BUG
    free(text); /* FREE */
#endif
    if (write(1, text, 5) != 5) /* FAULT */
        return 2;
#ifndef BUG
    free(text);
#endif
    puts("survived");
    return 0;
}
