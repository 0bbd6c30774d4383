// expect: heap-use-after-free READ 4
// region: 0 of 4
#include <cstdio>
#include <functional>

static std::function<int()> counter(int *number) {
    return [number] { return *number + 1; }; /* FAULT */
}

int main() {
    int *number = new int(7); /* ALLOC */
    auto next = counter(number);
#ifdef BUG
    delete number; /* FREE */
#endif
    std::printf("%d\n", next());
#ifndef BUG
    delete number;
#endif
    std::puts("survived");
}
