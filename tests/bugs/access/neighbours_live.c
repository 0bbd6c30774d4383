// expect: heap-use-after-free READ 4
// region: 4 of 24
// Only the freed object goes: its neighbours, allocated just before and after it, stay usable.
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *items[64];
    for (int i = 0; i < 64; i++) {
        items[i] = malloc(24); /* ALLOC */
        items[i][1] = i;
    }
#ifdef BUG
    free(items[31]); /* FREE */
#endif
    long sum = 0;
    for (int i = 0; i < 64; i++)
        if (i != 31)
            sum += items[i][1];
    printf("%ld\n", sum);
    fflush(stdout);
    sum += items[31][1]; /* FAULT */
    printf("%ld\n", sum);
    for (int i = 0; i < 64; i++)
#ifdef BUG
        if (i != 31)
#endif
            free(items[i]);
    puts("survived");
    return 0;
}
