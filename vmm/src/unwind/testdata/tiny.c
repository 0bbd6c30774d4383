// A program without a C library, small enough to be damaged thousands of times.
__attribute__((noinline)) static int leaf(int n) {
    volatile int room[100];
    room[n & 63] = n;
    return room[n & 31];
}
__attribute__((noinline)) static int keeps(int n) {
    volatile char block[64] __attribute__((aligned(64)));
    block[n & 63] = 1;
    return leaf(n) + leaf(n + 1) + block[1];
}
void _start(void) {
    int status = keeps(3);
    __asm__ volatile("syscall" : : "a"(60), "D"(status));
    for (;;) {
    }
}
