// One error for each letter, for AddressSanitizer's own reports of them.
#include <stdlib.h>

__attribute__((noinline)) static int use(char *p) { return *(volatile int *)(p + 4); }

int main(int argc, char **argv) {
    char *volatile p = malloc(40);
    switch (argv[argc - 1][0]) {
    case 'r': free(p); return use(p);
    case 'w': free(p); p[3] = 1; return 0;
    case 'd': free(p); free(p); return 0;
    case 'b': free(p + 8); return 0;
    case 's': return *(volatile int *)0x1234567890;
    case 'z': *(volatile int *)8 = 1; return 0;
    }
    return 0;
}
