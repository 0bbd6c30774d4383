// expect: heap-use-after-free READ 4
// region: 8 of 12
// Allocation, free and access each lie some calls deep.
#include <stdio.h>
#include <stdlib.h>

struct point {
    int x, y, z;
};

static struct point *make(int x) {
    struct point *point = malloc(sizeof *point); /* ALLOC */
    point->x = x;
    point->y = x + 1;
    point->z = x + 2;
    return point;
}

static void drop(struct point *point) {
    free(point); /* FREE */
}

static int depth_of(const struct point *point) {
    return point->z; /* FAULT */
}

static int twice(const struct point *point) {
    return 2 * depth_of(point);
}

int main(void) {
    struct point *point = make(3);
#ifdef BUG
    drop(point);
#endif
    printf("%d\n", twice(point));
#ifndef BUG
    drop(point);
#endif
    puts("survived");
    return 0;
}
