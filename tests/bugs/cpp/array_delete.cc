// expect: heap-use-after-free WRITE 8
// region: 72 of 80
#include <cstdio>

int main() {
    long *numbers = new long[10]; /* ALLOC */
    numbers[9] = 4;
#ifdef BUG
    delete[] numbers; /* FREE */
#endif
    numbers[9] = 5; /* FAULT */
#ifndef BUG
    std::printf("%ld\n", numbers[9]);
    delete[] numbers;
#endif
    std::puts("survived");
}
