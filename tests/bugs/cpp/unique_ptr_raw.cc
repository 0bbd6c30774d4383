// expect: heap-use-after-free READ 4
// region: 0 of 4
#include <cstdio>
#include <memory>

int main() {
    auto owner = std::make_unique<int>(7); /* ALLOC */
    int *raw = owner.get();
#ifdef BUG
    owner.reset(); /* FREE */
#endif
    int value = *raw; /* FAULT */
    std::printf("%d\n", value);
    std::puts("survived");
}
