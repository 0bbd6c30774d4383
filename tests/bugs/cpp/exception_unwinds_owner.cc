// expect: heap-use-after-free READ 4
// region: 0 of 4
// Stack unwinding destroys the owner; the handler still looks.
#include <cstdio>
#include <memory>
#include <stdexcept>

static int *leaked;

static void work(bool fail) {
    auto owner = std::make_unique<int>(7); /* ALLOC */
    leaked = owner.get();
    if (fail)
        throw std::runtime_error("failed");
    owner.release();
}

int main() {
    try {
#ifdef BUG
        work(true);
#else
        work(false);
#endif
    } catch (const std::runtime_error &error) {
        std::puts(error.what());
        std::fflush(stdout);
    }
    int value = *leaked; /* FAULT */
    std::printf("%d\n", value);
    std::puts("survived");
}
