// expect: double-free
// region: 0 of 4
#include <cstdio>
#include <memory>

static void own(int *number) {
    std::unique_ptr<int> owner(number);
    std::printf("%d\n", number != nullptr);
    std::fflush(stdout);
    owner.reset(); /* FAULT */ /* FREE */
}

int main() {
    int *number = new int(7); /* ALLOC */
    own(number);
#ifdef BUG
    own(number);
#endif
    std::puts("survived");
}
