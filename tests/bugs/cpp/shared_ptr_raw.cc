// expect: heap-use-after-free READ 4
#include <cstdio>
#include <memory>

int main() {
    auto owner = std::make_shared<int>(7); /* ALLOC */
    auto other = owner;
    int *raw = owner.get();
    owner.reset();
#ifdef BUG
    other.reset(); /* FREE */
#endif
    int value = *raw; /* FAULT */
    std::printf("%d\n", value);
    std::puts("survived");
}
